"""Names of counters that reports understand, whoever counted; every other counter is shown and not read."""

# Share of the steps' time, 0 … 1, mean over the ranks, in which a rank packed, sent, received or waited: what hides
# behind work is no part of it.
COMMUNICATION_SHARE = "share of time: communication"
# [J] of one step, read from meters, over all that the launch occupied; absent where nothing can be read, never 0.
ENERGY_PER_STEP = "energy per step [J]"
# [B] of each array that a case streams through once per step: its bandwidth is a roof of memory.
STREAMED_ARRAY = "array bytes"
# [B] of each array that it streams through again and again: a cache's bandwidth, which is no roof of other cases.
CACHED_ARRAY = "array bytes, repeated"
# Begins the names of physical errors, what a run lost beside what its check compares: "error: energy drift [k_B T]".
ERROR = "error: "
# What the check's error would be without the rounding that it allows for: what a precision costs in exactness.
DISTANCE = ERROR + "distance from float64"
