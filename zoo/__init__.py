"""The presets, one folder each, data only; installed as `bayeskeras.presets`, read by `bayeskeras.zoo`."""
