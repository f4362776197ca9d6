"""Pure maths: tensors in, tensors out; no paths, no printing, no logging."""
