// What is seen of a view: rows of panels, a player for the ticks, a legend, and the choice of colors.
//
// In JupyterLab it is the front end of the anywidget in cubelib/views/frontend/live.py; in a page that was saved it is
// mounted on what the page holds. `npm install && npm run build` makes bundle.min.js from it.

import { Heatmap } from "./heatmap.js";
import { Lattice } from "./lattice.js";
import { Scatter } from "./scatter.js";
import { ORANGE, STYLE, element, numbers, theLook } from "./look.js";
import { theStage } from "./stage.js";

const KINDS = { heatmap: Heatmap, scatter: Scatter };
const NO_WEBGL = "This browser has no WebGL to draw the lattice with, so here is the printed picture.";

class View {
  /**
   * @param root the element to fill.
   * @param kernel {emit, ticked, twin}: what is told to the kernel, and who draws the printed twin; {} in a page.
   */
  constructor(root, kernel = {}) {
    this.root = root;
    this.kernel = kernel;
    this.tick = 0;
    this.pose = {};
    this.panels = [];
    root.classList.add("cubelib");
    root.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves the keys to the view
    this.heard = element("div", { className: "cubelib-heard", "aria-live": "polite" });
    this.life = new AbortController(); // of what listens to the look of the page
    theLook().addEventListener("change", () => this.restyle(), { signal: this.life.signal });
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(root);
  }

  /** Shows what the kernel says; what is turned stays turned if the panels are the same. */
  show(content) {
    const same = this.content && layout(this.content) === layout(content);
    this.content = content;
    const panels = content.rows.flat();
    if (same) this.panels.forEach((panel, index) => panel.show(panels[index]));
    else this.build();
    this.restyle();
    if (!same) this.resize();
  }

  build() {
    this.panels.forEach((panel) => panel.dispose?.());
    const { content } = this;
    this.panels = [];
    this.twin = null;
    const rows = content.rows.map((row) => element("div", { className: "cubelib-row" }, ...row.map((panel) => this.add(panel))));
    const title = element("div", { className: "cubelib-title" }, content.title ?? "");
    title.hidden = !content.title;
    this.legend = element("div", { className: "cubelib-legend" });
    this.root.replaceChildren(title, ...rows.slice(0, 1), this.controls(), this.legend, ...rows.slice(1), this.heard);
  }

  add(content) {
    if (content.kind === "lattice" && !theStage()) return this.printed(content);
    const panel = content.kind === "lattice" ? new Lattice(this, content, this.pose) : new KINDS[content.kind](this, content);
    const { weight, least } = panel.room;
    panel.root.style.flex = `${weight} 1 ${least}px`;
    this.panels.push(panel);
    return panel.root;
  }

  /** The printed twin, once, in place of a lattice that this browser cannot draw. */
  printed(content) {
    this.panels.push({ show() {}, resize() {}, redraw() {} });
    if (this.twin) return "";
    const image = element("img", { alt: content.summary, hidden: true });
    this.twin = element("figure", { className: "cubelib-panel cubelib-twin" }, element("p", {}, NO_WEBGL), image);
    const seen = (png) => {
      image.src = URL.createObjectURL(new Blob([png], { type: "image/png" }));
      image.hidden = false;
    };
    if (this.content.twin) seen(numbers(this.content.twin, Uint8Array));
    else this.kernel.twin?.(seen);
    return this.twin;
  }

  // --- controls --------------------------------------------------------------------------------------------------

  controls() {
    const { ticks } = this.content;
    const bar = element("div", { className: "cubelib-bar" });
    this.slider = null;
    if (ticks > 1) {
      this.button = element("button", { type: "button", onclick: () => this.play() }, "▶ play");
      this.slider = element("input", { type: "range", min: 0, max: ticks - 1, step: 1, "aria-label": "tick" });
      this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
      this.slider.addEventListener("keydown", (event) => event.stopPropagation());
      this.counter = element("span", { className: "cubelib-tick" });
      bar.append(this.button, this.slider, this.counter);
    }
    bar.append(element("span", { className: "cubelib-spread" }));
    const kinds = [...new Set(this.content.rows.flat().map((panel) => panel.scale?.kind).filter(Boolean))];
    for (const kind of kinds) {
      const names = Object.keys(this.content.palettes[kind]);
      const choose = (name) => theLook().choose({ palette: { ...theLook().palette, [kind]: name } });
      bar.append(this.menu("colors", names, () => theLook().palette[kind], choose));
    }
    bar.append(this.menu("theme", ["auto", "light", "dark"], () => theLook().choice, (choice) => theLook().choose({ choice })));
    if (this.pose.zoom) bar.append(element("button", { type: "button", onclick: () => this.reset() }, "reset view"));
    return bar;
  }

  menu(name, values, current, choose) {
    const select = element("select", { "aria-label": name, title: name });
    select.append(...values.map((value) => element("option", { value }, name === "theme" ? `${value} theme` : value)));
    select.value = current();
    select.addEventListener("change", () => choose(select.value));
    theLook().addEventListener("change", () => { select.value = current(); }, { signal: this.life.signal });
    return select;
  }

  /** What the colors beyond the color bar mean; only what can be seen. */
  explain() {
    const lattices = this.content.rows.flat().filter((panel) => panel.kind === "lattice");
    const notes = [];
    const note = (text, fill, edge) => {
      const line = element("span", {}, text);
      line.style.setProperty("--fill", fill);
      line.style.setProperty("--edge", edge);
      notes.push(line);
    };
    const { theme } = theLook();
    if (lattices.length) note(`glass: ${lattices[0].silent ?? "holds zero"}`, "transparent", theme.line);
    if (lattices.some((panel) => panel.cone)) note("orange: planes of the light cone", "transparent", ORANGE);
    if (lattices.some((panel) => panel.marked)) note("orange: marked cells", "transparent", ORANGE);
    if (lattices.some((panel) => panel.dead)) note("black: dead", "#000", "#777");
    if (lattices.length) {
      const click = lattices.some((panel) => panel.clickable) ? "click kills or revives a cell · " : "";
      const keys = "drag or arrow keys turn · scroll zooms after a click";
      notes.push(element("span", { className: "words", title: KEYS }, `${click}${keys}${this.content.ticks > 1 ? " · space plays" : ""}`));
    }
    this.legend.replaceChildren(...notes);
  }

  // --- what changes ----------------------------------------------------------------------------------------------

  go(tick) {
    const chosen = Math.max(0, Math.min(this.content.ticks - 1, tick));
    if (chosen === this.tick) return;
    this.seek(chosen);
    this.kernel.ticked?.(chosen);
  }

  /** Shows a tick without telling the kernel of it. */
  seek(tick) {
    this.tick = tick;
    this.count();
    this.panels.forEach((panel) => {
      panel.refresh?.();
      panel.redraw();
    });
  }

  count() {
    if (!this.slider) return;
    this.slider.value = this.tick;
    this.counter.textContent = `tick ${this.tick} of ${this.content.ticks - 1}`;
    this.slider.setAttribute("aria-valuetext", this.counter.textContent);
  }

  play() {
    if (!this.slider) return;
    if (this.timer) return this.pause();
    if (this.tick === this.content.ticks - 1) this.go(0);
    this.button.textContent = "❚❚ pause";
    this.timer = setInterval(() => {
      this.go(this.tick + 1);
      if (this.tick >= this.content.ticks - 1 || !this.root.isConnected) this.pause();
    }, this.content.interval ?? 700);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.button.textContent = "▶ play";
  }

  emit(message) {
    this.kernel.emit?.(message);
  }

  posed() {
    this.panels.forEach((panel) => panel.turned?.());
  }

  reset() {
    Object.assign(this.pose, { turn: -40, tilt: 20, zoom: 1 });
    this.posed();
  }

  restyle() {
    const { theme } = theLook();
    Object.assign(this.root.style, { background: theme.background, color: theme.text });
    if (!this.content) return;
    this.explain();
    this.count();
    this.panels.forEach((panel) => {
      panel.filled = null;
      panel.redraw();
    });
  }

  resize() {
    this.panels.forEach((panel) => panel.resize());
  }

  dispose() {
    clearInterval(this.timer);
    this.observer.disconnect();
    this.life.abort();
    this.panels.forEach((panel) => panel.dispose?.());
  }
}

const KEYS = [
  "Arrow keys turn, + and − zoom, Home resets the view.", "Space plays, comma and full stop step through the ticks.",
  "Shift and arrow keys, Page Up and Page Down move from cell to cell; Enter is a click.",
].join("\n");

/** Two contents with the same layout are drawn by the same panels. */
const layout = (content) =>
  JSON.stringify([content.ticks, content.title, content.rows.map((row) => row.map(({ kind, name, scale }) => [kind, name, scale?.kind]))]);

function addStyle() {
  if (document.getElementById("cubelib-style")) return;
  document.head.append(element("style", { id: "cubelib-style" }, STYLE));
}

/** Draws the content of an element of a saved page. */
export function mount(root) {
  addStyle();
  const content = JSON.parse(root.querySelector("script").textContent);
  const view = new View(root);
  view.show(content);
  root.view = view;
}

/** Draws everything in a page that is not drawn yet. */
export function mountPage() {
  document.querySelectorAll("[data-cubelib]").forEach((root) => {
    delete root.dataset.cubelib;
    mount(root);
  });
}

/** The front end of the anywidget: `model` is the kernel's side. */
export function render({ model, el }) {
  addStyle();
  const root = element("div");
  el.append(root);
  const view = new View(root, {
    emit: (message) => model.send(message),
    ticked: (tick) => {
      model.set("tick", tick);
      model.save_changes();
    },
    twin: (seen) => {
      model.on("msg:custom", (message, buffers) => { if (message.kind === "twin") seen(buffers[0]); });
      model.send({ kind: "twin" });
    },
  });
  root.view = view;
  const show = () => {
    view.tick = Math.min(model.get("tick"), Math.max(0, model.get("content").ticks - 1));
    view.show(model.get("content"));
  };
  const seek = () => { if (model.get("tick") !== view.tick) view.seek(model.get("tick")); };
  model.on("change:content", show);
  model.on("change:tick", seek);
  show();
  return () => {
    model.off("change:content", show);
    model.off("change:tick", seek);
    view.dispose();
  };
}

globalThis.cubelib = { mountPage };
