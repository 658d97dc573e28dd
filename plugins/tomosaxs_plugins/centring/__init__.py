"""Where the rotation axis is: kernels and the plugin that uses them."""
