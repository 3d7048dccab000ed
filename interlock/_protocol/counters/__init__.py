"""Counters whose bounds are escrow: what may still be added lies in the items themselves.

After P. O'Neil, "The Escrow Transactional Method" (1986). Each item of a counter holds its share of
the value, and how much may still be added to it (`up`) and taken from it (`down`). An increment
moves its amount from `up` to `value` and `down`, in one conditional write, so that

    value + up = ceiling    and    value - down = floor    (summed over the counter's items)

hold after every write, whichever client writes and whatever it believes about the counter.
"""
