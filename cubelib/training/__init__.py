"""How a cube learns: what each batch holds (`plan`), the steps (`loop`), the whole run (`run`) and what is kept of it.

Taught in notebooks 04 and 05.
"""
