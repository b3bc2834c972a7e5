"""The tests; a package, so that `tests.kit` is ours even beside a library that installs `tests`."""
