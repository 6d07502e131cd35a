"""Network dissection (Bau et al. 2017) of a bundle's units: what excites each one, and which classes it tells apart.

`subjects.py` lists the pictures and their masks, `survey.py` reads them once by the box's code and measures every unit,
`patches.py` cuts out what excites a unit most, `atlas.py` writes the file that the box shows, `page.py` the page.

    loupe-train dissect models/bach.loupe ../shared/data/bach
"""
