"""What a model says, in the objects that hospital systems store and show: DICOM reports, pictures and maps, and FHIR.

The only door to highdicom.
"""
