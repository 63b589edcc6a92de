"""LungScan MONAI: medical image classification with MONAI bundles."""

__version__ = "0.1.0"
