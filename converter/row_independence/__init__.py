"""Whether the rows of a batch are independent: by rules for each kind of layer, and by measurement."""
