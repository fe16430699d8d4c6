"""What runs on the uploader's machine, module by module."""
