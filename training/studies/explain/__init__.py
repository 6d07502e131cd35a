"""How faithful the class maps are: the box's own maps beside those of other methods, on pictures of unseen groups.

`subject` is a fold with both of its networks; `methods` are the class map, Grad-CAM, HiResCAM, Score-CAM and chance;
`scores` judges a map by what the network then does, `places` by where a lesion is known to be; `targets` are pictures with
such places, `sections` whole sections and films; `cascade` randomises the network from the top; `strides` compares grids;
`measure` puts it all together, `cache` keeps it for the next run, and `report` writes it.
What each figure means stands in docs/researchers/explanations.md.
"""
