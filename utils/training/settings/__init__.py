"""Everything that can be set about a run: a group of flags a file, composed in `common`, `runs`.

A run's settings are as flat as its flags. The modules here evaluate their annotations (they have no
`from __future__ import annotations`), because jsonargparse resolves postponed ones in the module of
the last class alone; what it cannot resolve there it accepts unchecked.
"""
