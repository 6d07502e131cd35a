"""Attacks a box as anyone on the Wi-Fi could, and shows that a good client beside each attack is served: `make torture`.

`damage` draws damaged files and `fuzz` decodes them. `box` runs a real `loupe serve` with little memory, `good` is the
client beside the attack, `attack` is what one attack is and the process it runs in; `bombs`, `bodies`, `crowds`,
`leaving`, `malformed`, `slow` and `texts` hold the attacks themselves. `harm` does what no client can: it kills the box,
fills and damages its store. `outward` watches that nothing leaves. `table` judges and prints.
"""
