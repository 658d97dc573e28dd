"""The corrections as functions of plain arrays, without any framework: one file each.

All take values of any shape, further arguments that broadcast to them, and optionally the variance of the values;
they return (values, variance), the variance None where none was given. Errors of the further arguments are not
propagated unless a function says so. float32 stays float32, everything else becomes float64.
"""
