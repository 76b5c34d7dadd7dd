"""Known transformations of images, on the device."""
