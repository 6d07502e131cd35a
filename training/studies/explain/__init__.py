"""Whether the class maps tell the truth: the box's own maps beside other methods', on pictures of unseen groups.

`subject` opens a cross-validation's folds; `methods` are the class map, Grad-CAM, HiResCAM, Score-CAM and chance; `scores`
judges a map by what the network then does, `places` by where a lesion is known to be; `targets` are pictures with such
places, `sections` whole sections and films; `cascade` randomises the network from the top; `strides` compares grids;
`measure` puts it all together and `report` writes it. docs/researchers/explanations.md says what each figure means.
"""
