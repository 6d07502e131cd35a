"""The field's own tables: its networks on its data sets, all under one honest split, with the published figures beside.

`plans` says what each table has; `cells` fits one network on one fold and reads the fold's unseen patients with the float
and the integer network; `page` writes the table and its curves. docs/researchers/tables.md has what was measured.
"""
