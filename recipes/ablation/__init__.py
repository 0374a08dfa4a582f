"""Ablations: one recipe with one thing changed at a time, for several seeds, as one table.

config     what an ablation file says
cells      the commands that a cell is made of, and where its folders lie
running    commands side by side, each finished one written down
results    figures of the finished cells, with their differences and what they rest on
tables     the same as Markdown
command    `ar1-rl ablate`
"""
