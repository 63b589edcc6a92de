"""Ways of bringing the files of a folder through a model; what goes in and what comes out is the same for all."""
