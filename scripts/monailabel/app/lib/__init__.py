"""The parts of the app; MONAI Label wants them in a folder of this name."""
