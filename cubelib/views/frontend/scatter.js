// Points on a flat map, to move and zoom, with the text of each point beside the mouse.

import { Panel } from "./panel.js";
import { numbers, theLook } from "./look.js";

const [LEFT, RIGHT, TOP, BOTTOM] = [64, 14, 8, 64]; // pixels around the map
const NEAR = 9; // pixels from a point at which the mouse is over it
const MARKERS = {
  o: (pen, x, y, r) => pen.arc(x, y, r, 0, 2 * Math.PI),
  s: (pen, x, y, r) => pen.rect(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r),
  "^": (pen, x, y, r) => polygon(pen, x, y, r, [[0, -1.1], [1, 0.8], [-1, 0.8]]),
  v: (pen, x, y, r) => polygon(pen, x, y, r, [[0, 1.1], [1, -0.8], [-1, -0.8]]),
  D: (pen, x, y, r) => polygon(pen, x, y, r, [[0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]]),
  P: (pen, x, y, r) => { pen.rect(x - r, y - 0.35 * r, 2 * r, 0.7 * r); pen.rect(x - 0.35 * r, y - r, 0.7 * r, 2 * r); },
  X: (pen, x, y, r) => polygon(pen, x, y, r, [[-1, -0.6], [-0.6, -1], [0, -0.4], [0.6, -1], [1, -0.6], [0.4, 0],
    [1, 0.6], [0.6, 1], [0, 0.4], [-0.6, 1], [-1, 0.6], [-0.4, 0]]),
  d: (pen, x, y, r) => polygon(pen, x, y, r, [[0, -1.3], [0.8, 0], [0, 1.3], [-0.8, 0]]),
  "<": (pen, x, y, r) => polygon(pen, x, y, r, [[-1.1, 0], [0.8, -1], [0.8, 1]]),
  ">": (pen, x, y, r) => polygon(pen, x, y, r, [[1.1, 0], [-0.8, -1], [-0.8, 1]]),
  p: (pen, x, y, r) => polygon(pen, x, y, r, corners(5)),
  h: (pen, x, y, r) => polygon(pen, x, y, r, corners(6)),
  H: (pen, x, y, r) => polygon(pen, x, y, r, corners(6, 0.5)),
  8: (pen, x, y, r) => polygon(pen, x, y, r, corners(8)),
  "*": (pen, x, y, r) => polygon(pen, x, y, r, corners(10).map(([a, b], n) => (n % 2 ? [a / 2, b / 2] : [a, b]))),
};

export class Scatter extends Panel {
  constructor(view, content) {
    super(view, content);
    this.fit();
    this.listen();
  }

  show(content) {
    super.show(content);
    this.groups = content.groups.map((group) => ({ ...group, points: numbers(group.points, Float32Array) }));
  }

  /** The middle of the map and how many units it is wide: all points, and a little room. */
  fit() {
    let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
    for (const { points } of this.groups) {
      for (let index = 0; index < points.length; index += 2) {
        [left, right] = [Math.min(left, points[index]), Math.max(right, points[index])];
        [low, high] = [Math.min(low, points[index + 1]), Math.max(high, points[index + 1])];
      }
    }
    this.bounds = { wide: Math.max(right - left, 1e-6), tall: Math.max(high - low, 1e-6) };
    this.home = { x: (left + right) / 2, y: (low + high) / 2, zoom: 1 };
    this.eye = { ...this.home };
  }

  height(width) {
    return Math.round(Math.max(300, Math.min(560, 0.7 * width)));
  }

  /** Pixels for a unit, the same across and upwards: distances are to scale. */
  get unit() {
    const [across, up] = [this.width - LEFT - RIGHT, this.tall - TOP - BOTTOM];
    return 0.92 * this.eye.zoom * Math.min(across / this.bounds.wide, up / this.bounds.tall);
  }

  spot(x, y) {
    const middle = [(LEFT + this.width - RIGHT) / 2, (TOP + this.tall - BOTTOM) / 2];
    return [middle[0] + (x - this.eye.x) * this.unit, middle[1] - (y - this.eye.y) * this.unit];
  }

  paint(pen) {
    const { theme } = theLook();
    const [right, bottom] = [this.width - RIGHT, this.tall - BOTTOM];
    this.axes(pen, right, bottom, theme);
    pen.save();
    pen.beginPath();
    pen.rect(LEFT, TOP, right - LEFT, bottom - TOP);
    pen.clip();
    for (const group of this.groups) {
      pen.fillStyle = group.color === "#000000" ? theme.text : group.color;
      pen.globalAlpha = group.opacity;
      for (let index = 0; index < group.points.length; index += 2) {
        const [x, y] = this.spot(group.points[index], group.points[index + 1]);
        pen.beginPath();
        MARKERS[group.marker](pen, x, y, group.size);
        pen.fill();
      }
    }
    pen.globalAlpha = 1;
    if (this.at) {
      const [x, y] = this.where(this.at);
      pen.strokeStyle = theme.text;
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(x, y, 8, 0, 2 * Math.PI);
      pen.stroke();
    }
    pen.restore();
    this.key(pen, bottom, theme);
  }

  axes(pen, right, bottom, theme) {
    pen.strokeStyle = theme.line;
    pen.lineWidth = 1;
    pen.strokeRect(LEFT - 0.5, TOP - 0.5, right - LEFT + 1, bottom - TOP + 1);
    const step = round(70 / this.unit);
    const digits = Math.max(0, -Math.floor(Math.log10(step)));
    const [across, up] = [(right - LEFT) / 2 / this.unit, (bottom - TOP) / 2 / this.unit];
    pen.globalAlpha = 0.5;
    const line = (...points) => { pen.beginPath(); pen.moveTo(...points[0]); pen.lineTo(...points[1]); pen.stroke(); };
    const lines = (from, to, draw) => {
      for (let at = Math.ceil(from / step); at * step <= to; at++) draw(at * step, (at * step).toFixed(digits));
    };
    pen.textBaseline = "top";
    pen.textAlign = "center";
    lines(this.eye.x - across, this.eye.x + across, (value, text) => {
      const [x] = this.spot(value, 0);
      line([x, TOP], [x, bottom]);
      pen.globalAlpha = 1;
      pen.fillText(text, x, bottom + 5);
      pen.globalAlpha = 0.5;
    });
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    lines(this.eye.y - up, this.eye.y + up, (value, text) => {
      const [, y] = this.spot(0, value);
      line([LEFT, y], [right, y]);
      pen.globalAlpha = 1;
      pen.fillText(text, LEFT - 5, y);
      pen.globalAlpha = 0.5;
    });
    pen.globalAlpha = 1;
    pen.textAlign = "center";
    pen.fillText(this.content.x, (LEFT + right) / 2, bottom + 26);
    pen.save();
    pen.translate(12, (TOP + bottom) / 2);
    pen.rotate(-Math.PI / 2);
    pen.fillText(this.content.y, 0, 0);
    pen.restore();
  }

  key(pen, bottom, theme) {
    let x = LEFT + 6;
    pen.textAlign = "left";
    for (const group of this.groups) {
      pen.fillStyle = group.color === "#000000" ? theme.text : group.color;
      pen.beginPath();
      MARKERS[group.marker](pen, x, bottom + 50, 5);
      pen.fill();
      pen.fillStyle = theme.text;
      pen.fillText(group.name, x + 10, bottom + 50);
      x += pen.measureText(group.name).width + 34;
    }
  }

  where([group, index]) {
    const { points } = this.groups[group];
    return this.spot(points[2 * index], points[2 * index + 1]);
  }

  /** The [group, index] of the point nearest to the mouse, or null. */
  under(event) {
    let [best, nearest] = [null, NEAR];
    this.groups.forEach(({ points }, group) => {
      for (let index = 0; index < points.length / 2; index++) {
        const [x, y] = this.where([group, index]);
        const distance = Math.hypot(x - event.offsetX, y - event.offsetY);
        if (distance < nearest) [best, nearest] = [[group, index], distance];
      }
    });
    return best;
  }

  point(at) {
    if (String(at) === String(this.at)) return;
    this.at = at;
    this.redraw();
    if (at === null) return this.say(null);
    const { texts, name } = this.groups[at[0]];
    this.say(`${name}\n${texts[at[1]]}`, ...this.where(at));
  }

  listen() {
    const { canvas } = this;
    let held = null;
    canvas.addEventListener("pointerdown", (event) => {
      held = [event.clientX, event.clientY];
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!held) return this.point(this.under(event));
      this.eye.x -= (event.clientX - held[0]) / this.unit;
      this.eye.y += (event.clientY - held[1]) / this.unit;
      held = [event.clientX, event.clientY];
      this.redraw();
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { held = null; });
    canvas.addEventListener("wheel", (event) => {
      if (document.activeElement !== canvas && !event.ctrlKey) return;
      event.preventDefault();
      this.zoom(Math.exp(-0.0015 * event.deltaY));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      if (event.key in moves) {
        this.eye.x += (60 * moves[event.key][0]) / this.unit;
        this.eye.y += (60 * moves[event.key][1]) / this.unit;
        this.redraw();
      } else if (event.key === "+" || event.key === "=") this.zoom(1.3);
      else if (event.key === "-") this.zoom(1 / 1.3);
      else if (event.key === "Home") this.zoom(0);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  /** Closer or farther; 0 for everything. */
  zoom(factor) {
    if (factor === 0) this.eye = { ...this.home };
    else this.eye.zoom = Math.max(0.5, Math.min(60, this.eye.zoom * factor));
    this.redraw();
  }
}

function polygon(pen, x, y, r, corners) {
  corners.forEach(([right, down], index) => pen[index ? "lineTo" : "moveTo"](x + r * right, y + r * down));
  pen.closePath();
}

/** The corners of a regular polygon, the first on top; `turn` is a share of the angle between two. */
function corners(count, turn = 0) {
  return Array.from({ length: count }, (_, n) => {
    const angle = (2 * Math.PI * (n + turn)) / count;
    return [1.15 * Math.sin(angle), -1.15 * Math.cos(angle)];
  });
}

/** 1, 2 or 5 times a power of ten, at least so much. */
function round(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * [1, 2, 5, 10].find((times) => times * power >= least);
}
