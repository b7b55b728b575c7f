// What the drawings have in common: a canvas with a title, a label beside the mouse, a color bar, and resizing.

import { css, element, theLook } from "./look.js";

export const FONT = "12px system-ui, sans-serif";
export const BAR = 92; // pixels at the right for a color bar

/** A canvas in a view. A subclass says how tall it is (`height`) and draws it (`paint`). */
export class Panel {
  /**
   * @param view the View it is part of.
   * @param content what the kernel says of it; see cubelib/views/frontend/content.py.
   */
  constructor(view, content) {
    this.view = view;
    this.at = null; // what the mouse or the keys point at
    this.title = element("div", { className: "cubelib-title" });
    this.canvas = element("canvas", { tabIndex: 0, role: "img" });
    this.tip = element("div", { className: "cubelib-tip", hidden: true });
    this.root = element("div", { className: "cubelib-panel" }, this.title, this.canvas, this.tip);
    this.canvas.addEventListener("pointerleave", () => this.point(null));
    this.canvas.addEventListener("blur", () => this.point(null));
    this.show(content);
  }

  /** Its share of a row, and how many pixels it needs before the row is broken. */
  get room() {
    return { weight: 1, least: 330 };
  }

  show(content) {
    this.content = content;
    this.title.textContent = content.title ?? "";
    this.title.hidden = !content.title;
    this.canvas.setAttribute("aria-label", `${content.title ? content.title + ": " : ""}${content.summary}`);
  }

  /** Draws soon, once however often it is asked; nothing is drawn while nothing changes. */
  redraw() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      if (this.root.isConnected && this.width > 0) this.draw();
    });
  }

  resize() {
    const width = Math.floor(this.root.clientWidth);
    if (width === 0) return;
    this.width = width;
    this.tall = this.height(width);
    this.ratio = Math.min(window.devicePixelRatio || 1, 2);
    this.canvas.width = Math.round(width * this.ratio);
    this.canvas.height = Math.round(this.tall * this.ratio);
    Object.assign(this.canvas.style, { width: `${width}px`, height: `${this.tall}px` });
    this.draw();
  }

  draw() {
    if (!this.width) return;
    const pen = this.canvas.getContext("2d");
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.tall);
    pen.font = FONT;
    pen.fillStyle = theLook().theme.text;
    this.paint(pen);
  }

  /** Shows a label at a place of the canvas, and reads it to those who listen; null hides it. */
  say(text, x, y) {
    this.tip.hidden = text === null;
    this.root.dataset.says = text ?? "";
    if (text === null) return;
    if (this.tip.textContent !== text) {
      this.tip.textContent = text;
      this.view.heard.textContent = text;
    }
    const left = this.canvas.offsetLeft + x + 14;
    const fits = left + this.tip.offsetWidth < this.root.clientWidth;
    this.tip.style.left = `${fits ? left : Math.max(0, left - this.tip.offsetWidth - 28)}px`;
    this.tip.style.top = `${this.canvas.offsetTop + Math.max(0, y - 36)}px`;
  }

  colors() {
    return theLook().table(this.content.scale, this.view.content.palettes);
  }
}

/** A color bar with values: `left`, `top` and `height` are of the bar itself. */
export function colorBar(pen, panel, left, top, height) {
  const { scale, label } = panel.content;
  const table = panel.colors();
  const { theme } = theLook();
  const place = (level) => top + height - ((level - 1) / 254) * height;
  const gradient = pen.createLinearGradient(0, top + height, 0, top);
  for (let stop = 0; stop <= 32; stop++) gradient.addColorStop(stop / 32, css(table[1 + Math.round((stop / 32) * 254)]));
  pen.fillStyle = gradient;
  pen.fillRect(left, top, 12, height);
  pen.fillStyle = theme.text;
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  let last = Infinity;
  let widest = 0;
  for (const [level, text] of scale.ticks) {
    const y = place(level);
    if (last - y < 13) continue;
    pen.fillText(text, left + 17, y);
    pen.fillRect(left + 12, y - 0.5, 3, 1);
    last = y;
    widest = Math.max(widest, pen.measureText(text).width);
  }
  if (!label) return;
  pen.save();
  const lines = wrapped(pen, label, height + 50);
  pen.translate(left + Math.min(29 + widest, BAR - 14 * lines.length), top + height / 2);
  pen.rotate(-Math.PI / 2);
  pen.textAlign = "center";
  lines.forEach((line, index) => pen.fillText(line, 0, 14 * index));
  pen.restore();
}

function wrapped(pen, text, width) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = lines.at(-1) ? `${lines.at(-1)} ${word}` : word;
    if (pen.measureText(longer).width > width && lines.at(-1)) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines.slice(0, 2);
}
