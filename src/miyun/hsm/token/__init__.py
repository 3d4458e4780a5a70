"""The software token: `python -m miyun.hsm.token` is the process that alone holds its keys (GM/T 0016)."""
