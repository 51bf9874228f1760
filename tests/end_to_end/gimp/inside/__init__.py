"""What tests run inside GIMP, in its own Python."""
