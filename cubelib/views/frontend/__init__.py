"""What draws in the browser: one small program for JupyterLab, for saved pages and for exported notebooks.

`bundle.min.js` is made from the other JavaScript files of this folder and three.js (`npm run build`); nothing is loaded
from a network. What it draws is a content, made in Python:

    content              what to draw: {"rows": [[panel, …], …], "title": …, "ticks": …}
    panel                a lattice or a heat map (`cubelib.views.view3d.panels`), or points (`cubelib.views.maps`)

    page, part_of_page   HTML that holds a content and draws it (`cubelib.views.frontend.pages`)
    LivePicture          the widget of JupyterLab that shows a content (`cubelib.views.frontend.live`; needs anywidget)
"""

from cubelib.views.frontend.pages import Content, Panel, exported, new_content, page, part_of_page

__all__ = ["Content", "Panel", "exported", "new_content", "page", "part_of_page"]
