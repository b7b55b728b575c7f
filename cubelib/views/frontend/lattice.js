// The cells of a lattice as voxels, to turn and to zoom, with a label for each cell.
//
// Depth goes to the right, the front face is on the left, row 0 is on top, column 0 is nearest: as in the printed
// pictures (cubelib/views/view3d/static.py). The planes stand apart, so that one can look between them.

import {
  BoxGeometry, Color, DoubleSide, EdgesGeometry, InstancedMesh, LineBasicMaterial, LineSegments, Matrix4,
  MeshBasicMaterial, PerspectiveCamera, Scene, ShaderMaterial, Vector3,
} from "three";
import { Panel, BAR, colorBar } from "./panel.js";
import { ORANGE, element, number, numbers, stride, theLook } from "./look.js";
import { theStage } from "./stage.js";
import { Writing } from "./writing.js";

const APART = 1.5; // from plane to plane; from row to row and from column to column it is 1
const SIDE = 0.88; // of a voxel
const SLOPE = Math.tan((9 * Math.PI) / 180); // half of the camera's field of view
const [ABOVE, BELOW, BESIDE] = [12, 54, 58]; // pixels kept free around the lattice, for the labels
const START = { turn: -40, tilt: 20, zoom: 1 }; // degrees; as in print
const STEP = 8; // degrees for a key
const RESTS = 500; // milliseconds after which a lattice counts as resting
const COARSE = 0.75; // pixels of a lattice that turns, for one of the page
// Of a box, the corners of the triangles on the sides +x, +y and +z.
const FACES = [0, 8, 16].flatMap((first) => [0, 2, 1, 2, 3, 1].map((corner) => first + corner));

// The color of a face is that of the color bar, a little darker on the sides; its borders are drawn as thin lines.
// A voxel has the three faces that look at the camera: they are mirrored to where it is.
const VERTEX = `
  varying vec2 place; varying vec3 paint; varying float dark;
  void main() {
    place = uv;
    dark = step(instanceColor.r + instanceColor.g + instanceColor.b, 0.001);
    paint = instanceColor * (abs(normal.y) > 0.5 ? 1.0 : abs(normal.x) > 0.5 ? 0.94 : 0.84);
    vec3 toEye = step(instanceMatrix[3].xyz, cameraPosition) * 2.0 - 1.0;
    gl_Position = projectionMatrix * (viewMatrix * (instanceMatrix * vec4(position * toEye, 1.0)));
  }`;
const FRAGMENT = `
  uniform vec3 edge; uniform float opacity; uniform float edgeOpacity;
  varying vec2 place; varying vec3 paint; varying float dark;
  void main() {
    vec2 inside = min(place, 1.0 - place) / fwidth(place);
    float border = 1.0 - smoothstep(0.4, 1.4, min(inside.x, inside.y));
    vec3 line = mix(edge, vec3(0.5), dark);
    gl_FragColor = vec4(mix(paint, line, border * edgeOpacity), mix(opacity, max(opacity, edgeOpacity * 0.5), border));
  }`;

export class Lattice extends Panel {
  constructor(view, content, pose) {
    super(view, content);
    this.pose = pose; // shared by all lattices of a view: they turn together
    Object.assign(this.pose, { ...START, ...this.pose });
    this.screen = element("canvas", { className: "cubelib-scene", "aria-hidden": true }); // before this.canvas
    this.canvas.after(this.screen);
    this.build();
    this.listen();
  }

  show(content) {
    super.show(content);
    this.shape = content.shape; // ticks, planes, rows, columns
    this.levels = numbers(content.levels, Uint8Array);
    this.values = numbers(content.values, Float32Array);
    this.dead = numbers(content.dead, Uint8Array);
    this.marked = numbers(content.marked, Uint8Array);
    if (this.scene && String(this.built) !== String(this.shape)) this.build();
    this.filled = null;
    this.refresh();
  }

  get cells() {
    const [, planes, rows, columns] = this.shape;
    return planes * rows * columns;
  }

  /** The middle of a cell, in the units of the scene. */
  middle(cell) {
    const [, planes, rows, columns] = this.shape;
    const column = cell % columns;
    const row = Math.floor(cell / columns) % rows;
    const plane = Math.floor(cell / (columns * rows));
    return [APART * (plane - (planes - 1) / 2), (rows - 1) / 2 - row, (columns - 1) / 2 - column];
  }

  isSolid(level, dead) {
    return dead || level >= (this.content.least ?? 1);
  }

  /** Of a solid cell. Where size tells as much as color, one can look between the small ones. */
  side(level, dead) {
    return this.content.sized && !dead ? SIDE * (0.1 + (0.9 * level) / 255) : SIDE;
  }

  place(cell) {
    const [, , rows, columns] = this.shape;
    return [Math.floor(cell / (columns * rows)), Math.floor(cell / columns) % rows, cell % columns];
  }

  // --- the scene -------------------------------------------------------------------------------------------------

  build() {
    const [, planes, rows, columns] = this.shape;
    this.built = this.shape;
    this.scene = new Scene();
    this.camera = new PerspectiveCamera((2 * Math.atan(SLOPE) * 180) / Math.PI, 1, 0.1, 1000);
    const box = new BoxGeometry(SIDE, SIDE, SIDE);
    box.setIndex(FACES);
    this.solid = this.voxels(box, 1, 0.6);
    this.glass = this.voxels(box, 0.02, 0.25);
    this.glass.material.transparent = true;
    this.glass.material.depthWrite = false;
    this.glass.renderOrder = 1;
    this.half = [(APART * (planes - 1)) / 2 + 0.5, rows / 2, columns / 2];
    this.frame = new LineSegments(
      new EdgesGeometry(new BoxGeometry(...this.half.map((half) => 2 * half + 0.1))),
      new LineBasicMaterial({ depthTest: false, depthWrite: false }),
    );
    this.frame.renderOrder = -1; // behind all cells
    this.pointer = new LineSegments(
      new EdgesGeometry(new BoxGeometry(1.02, 1.02, 1.02)),
      new LineBasicMaterial({ depthTest: false, transparent: true }),
    );
    this.pointer.renderOrder = 2;
    this.pointer.visible = false;
    this.scene.add(this.frame, this.glass, this.solid, this.pointer);
    this.bars = null;
    this.writing = null;
    this.filled = null;
  }

  voxels(box, opacity, edgeOpacity) {
    const uniforms = { edge: { value: new Color() }, opacity: { value: opacity }, edgeOpacity: { value: edgeOpacity } };
    const material = new ShaderMaterial({ uniforms, vertexShader: VERTEX, fragmentShader: FRAGMENT, side: DoubleSide });
    const mesh = new InstancedMesh(box, material, this.cells);
    mesh.setColorAt(0, new Color(1, 1, 1)); // makes the attribute
    mesh.frustumCulled = false;
    return mesh;
  }

  /** Puts the cells of a tick into the scene. */
  fill() {
    const tick = Math.min(this.view.tick, this.shape[0] - 1);
    const { theme } = theLook();
    const table = this.colors();
    const at = new Matrix4();
    const color = new Color();
    const counts = { solid: 0, glass: 0 };
    for (let cell = 0; cell < this.cells; cell++) {
      const level = this.levels[tick * this.cells + cell];
      const dead = this.dead?.[cell];
      const kind = this.isSolid(level, dead) ? "solid" : "glass";
      const [red, green, blue] = dead ? [0, 0, 0] : table[kind === "glass" ? 0 : level];
      const side = kind === "solid" ? this.side(level, dead) / SIDE : 1;
      at.makeScale(side, side, side).setPosition(...this.middle(cell));
      this[kind].setMatrixAt(counts[kind], at);
      this[kind].setColorAt(counts[kind]++, color.setRGB(red / 255, green / 255, blue / 255));
    }
    for (const kind of ["solid", "glass"]) {
      const mesh = this[kind];
      mesh.count = counts[kind];
      mesh.instanceMatrix.needsUpdate = true;
      mesh.instanceColor.needsUpdate = true;
      setColor(mesh.material.uniforms.edge.value, kind === "solid" ? theme.edge : theme.faint);
    }
    setColor((this.background ??= new Color()), theme.background);
    setColor(this.frame.material.color, theme.line);
    setColor(this.pointer.material.color, theme.text);
    this.outline(tick);
    this.inscribe(theme.text);
    this.filled = tick;
  }

  /** Makes the texts beside the edges. */
  inscribe(color) {
    if (this.writing?.color === color) return;
    if (this.writing) this.scene.remove(this.writing.mesh);
    this.writing?.dispose();
    const counted = [...Array(Math.max(...this.shape.slice(1))).keys()].map((index) => [String(index), false]);
    this.writing = new Writing([...["plane", "column", "row"].map((name) => [name, true]), ...counted], color);
    this.writing.color = color;
    this.scene.add(this.writing.mesh);
  }

  /** Orange bars around the planes of the light cone and around marked cells. */
  outline(tick) {
    if (this.bars) {
      this.scene.remove(this.bars);
      this.bars.geometry.dispose();
      this.bars.material.dispose();
    }
    const [, planes, rows, columns] = this.shape;
    const walls = [];
    for (const plane of this.content.cone?.[tick] ?? []) {
      const [x] = this.middle(plane * rows * columns);
      const [, y, z] = this.half.map((half) => half + 0.06);
      for (const side of [-1, 1]) walls.push([x, side * y, 0, "z", 2 * z + 0.1], [x, 0, side * z, "y", 2 * y + 0.1]);
    }
    for (let plane = 0; plane < planes && this.marked; plane++) walls.push(...this.borders(tick, plane));
    const bar = new BoxGeometry(1, 1, 1);
    this.bars = new InstancedMesh(bar, new MeshBasicMaterial(), Math.max(1, walls.length));
    setColor(this.bars.material.color, ORANGE);
    this.bars.count = walls.length;
    this.bars.frustumCulled = false;
    const thick = this.content.cone ? 0.13 : SIDE + 0.02; // of marked cells: a sleeve as deep as they are
    const at = new Matrix4();
    walls.forEach(([x, y, z, axis, length], index) => {
      at.makeScale(thick, axis === "y" ? length : 0.1, axis === "z" ? length : 0.1).setPosition(x, y, z);
      this.bars.setMatrixAt(index, at);
    });
    this.scene.add(this.bars);
  }

  /** Bars between the marked cells of a plane and those that are not. */
  borders(tick, plane) {
    const [, , rows, columns] = this.shape;
    const start = plane * rows * columns;
    const isMarked = (row, column) =>
      row >= 0 && row < rows && column >= 0 && column < columns &&
      this.marked[tick * this.cells + start + row * columns + column] === 1;
    const [x, top, near] = this.middle(start);
    const walls = [];
    for (let row = 0; row <= rows; row++) {
      for (let column = 0; column <= columns; column++) {
        const marked = isMarked(row, column);
        if (marked !== isMarked(row - 1, column)) walls.push([x, top - row + 0.5, near - column, "z", 1.1]);
        if (marked !== isMarked(row, column - 1)) walls.push([x, top - row, near - column + 0.5, "y", 1.1]);
      }
    }
    return walls;
  }

  // --- the camera ------------------------------------------------------------------------------------------------

  height(width) {
    return Math.round(Math.max(240, Math.min(this.content.tall ?? 480, width * 0.66)));
  }

  get drawn() {
    return this.width - BAR; // without the color bar
  }

  aim() {
    const [turn, tilt] = [this.pose.turn, this.pose.tilt].map((degrees) => (degrees * Math.PI) / 180);
    const distance = this.distance(tilt) / this.pose.zoom;
    // The picture is in the middle and as wide as the lattice may become by turning: fewer pixels are drawn faster.
    const reach = Math.hypot(this.half[0], this.half[2]);
    const across = (this.tall * reach) / (2 * SLOPE * Math.max(distance - reach, 0.5 * distance));
    this.wide = 2 * Math.ceil(Math.min(this.drawn, 2 * (across + BESIDE)) / 2);
    this.camera.aspect = this.wide / this.tall;
    this.camera.updateProjectionMatrix();
    this.camera.projectionMatrix.elements[9] = -(BELOW - ABOVE) / this.tall; // up, to make room for the labels below
    this.camera.projectionMatrixInverse.copy(this.camera.projectionMatrix).invert();
    this.camera.position.set(
      distance * Math.cos(tilt) * Math.sin(turn), distance * Math.sin(tilt), distance * Math.cos(tilt) * Math.cos(turn),
    );
    this.camera.lookAt(0, 0, 0);
    this.camera.updateMatrixWorld();
  }

  /** So far away that the lattice and its labels fit, whichever way it is turned: so turning does not zoom. */
  distance(tilt) {
    const up = SLOPE * Math.max(0.4, 1 - (ABOVE + BELOW) / this.tall);
    const across = SLOPE * (this.drawn / this.tall) * Math.max(0.4, 1 - (2 * BESIDE) / this.drawn);
    const [x, y, z] = this.half;
    let distance = 1;
    for (let turn = 0; turn < 2 * Math.PI; turn += Math.PI / 24) {
      for (const [i, j, k] of CORNERS) {
        const ahead = i * x * Math.sin(turn) + k * z * Math.cos(turn);
        const right = i * x * Math.cos(turn) - k * z * Math.sin(turn);
        const near = ahead * Math.cos(tilt) + j * y * Math.sin(tilt);
        const above = j * y * Math.cos(tilt) - ahead * Math.sin(tilt);
        distance = Math.max(distance, near + Math.abs(above) / up, near + Math.abs(right) / across);
      }
    }
    return distance;
  }

  /** Where a point of the scene is on the canvas, [x, y] in pixels. */
  project(x, y, z) {
    const point = new Vector3(x, y, z).project(this.camera);
    return [(this.drawn + point.x * this.wide) / 2, ((1 - point.y) / 2) * this.tall];
  }

  /** Draws soon, from elsewhere. */
  turned() {
    this.turning = true;
    this.redraw();
  }

  redraw() {
    if (theStage().slow) {
      this.moving = true;
      clearTimeout(this.rest);
      this.rest = setTimeout(() => {
        this.moving = this.turning = false;
        super.redraw();
      }, RESTS);
    }
    super.redraw();
  }

  // --- drawing ---------------------------------------------------------------------------------------------------

  resize() {
    this.filled = null;
    super.resize();
  }

  draw() {
    if (!this.width) return;
    if (this.filled === null) super.draw(); // what does not turn
    if (this.filled !== Math.min(this.view.tick, this.shape[0] - 1)) this.fill();
    this.aim();
    this.label();
    const stage = theStage();
    // Without a graphics card a lattice that moves is drawn coarsely, and with smooth edges when it rests. Glass, which
    // costs more than all other cells, is left out while it turns.
    this.glass.visible = !(stage.slow && this.turning);
    const fine = this.ratio * (stage.slow ? (this.moving ? COARSE : 2) : 1);
    const [width, height] = [this.wide, this.tall].map((side) => Math.round(fine * side));
    const bitmap = stage.draw(this.scene, this.camera, this.background, width, height);
    this.screen.getContext("bitmaprenderer", { alpha: false }).transferFromImageBitmap(bitmap);
    Object.assign(this.screen.style, {
      left: `${this.canvas.offsetLeft + (this.drawn - this.wide) / 2}px`, top: `${this.canvas.offsetTop}px`,
      width: `${this.wide}px`, height: `${this.tall}px`,
    });
  }

  paint(pen) {
    const bar = Math.min(280, this.tall - 90);
    colorBar(pen, this, Math.min(this.drawn + 8, this.drawn / 2 + 0.95 * this.tall), (this.tall - bar) / 2, bar);
  }

  /** Numbers and names beside the outer edges of the lattice; a number that would touch another is left out. */
  label() {
    const [, planes, rows, columns] = this.shape;
    const axes = [
      { name: "plane", count: planes, axis: 0 }, { name: "column", count: columns, axis: 2 },
      { name: "row", count: rows, axis: 1 },
    ];
    const notes = [];
    const labels = axes.map((axis) => this.edge(axis)).filter(Boolean);
    for (const { axis, middle, away } of labels) {
      this.write(axis.name, middle, away, axis.name === "row" ? 32 : 38, notes);
    }
    for (const { axis, spot, length, away } of labels) {
      const step = stride(axis.count, length, 19);
      for (let index = 0; index < axis.count; index += step) this.write(String(index), spot(index), away, 13, notes);
    }
    this.writing.write(notes, this.wide, this.tall);
  }

  /** Writes a text beside a point, within the picture, unless it is a number that would touch what is written. */
  write(text, [x, y], away, distance, notes) {
    const width = this.writing.width(text);
    // A wide text must go farther to the side than up or down.
    const push = distance + (Math.abs(away[0]) * width) / 2;
    const start = x - (this.drawn - this.wide) / 2;
    const left = Math.max(2, Math.min(this.wide - width - 2, start + away[0] * push - width / 2));
    const middle = Math.max(8, Math.min(this.tall - 8, y + away[1] * distance));
    const touches = notes.some((other) =>
      left - 3 < other.left + other.width + 3 && other.left - 3 < left + width + 3 && Math.abs(middle - other.middle) < 14);
    if (!touches || isNaN(text)) notes.push({ text, left, middle, width });
  }

  /** The edge of the lattice that an axis is written on: an outer one, the lowest, or for rows the one on the left. */
  edge({ name, count, axis }) {
    const [first, second] = [0, 1, 2].filter((other) => other !== axis);
    const eye = this.camera.position.toArray();
    const seen = (side, sign) => sign * eye[side] > this.half[side]; // the face on that side looks at the camera
    let best = null;
    for (const one of [-1, 1]) {
      for (const two of [-1, 1]) {
        if (seen(first, one) === seen(second, two)) continue; // an edge in the midst of the picture, or behind
        const point = (along) => {
          const corner = [0, 0, 0];
          corner[axis] = along;
          corner[first] = one * this.half[first];
          corner[second] = two * this.half[second];
          return this.project(...corner);
        };
        const [start, end] = [point(-this.half[axis]), point(this.half[axis])];
        const middle = point(0);
        const length = Math.hypot(end[0] - start[0], end[1] - start[1]);
        const score = name === "row" ? -middle[0] : middle[1];
        if (length > 24 && (best === null || score > best.score)) {
          // Across the edge, away from the lattice's middle.
          const center = this.project(0, 0, 0);
          let away = [(end[1] - start[1]) / length, (start[0] - end[0]) / length];
          if (away[0] * (middle[0] - center[0]) + away[1] * (middle[1] - center[1]) < 0) away = away.map((part) => -part);
          const apart = axis === 0 ? APART : 1;
          const spot = (index) => point((axis === 0 ? 1 : -1) * apart * (index - (count - 1) / 2));
          best = { score, axis: { name, count }, spot, middle, length, away };
        }
      }
    }
    return best;
  }

  // --- the mouse and the keys ------------------------------------------------------------------------------------

  listen() {
    const { canvas } = this;
    let held = null;
    canvas.style.cursor = "grab";
    canvas.addEventListener("pointerdown", (event) => {
      held = { x: event.clientX, y: event.clientY, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!held) return this.point(this.under(event));
      const [right, down] = [event.clientX - held.x, event.clientY - held.y];
      if (!held.moved && Math.hypot(right, down) < 4) return;
      held = { x: event.clientX, y: event.clientY, moved: true };
      this.point(null);
      this.turn(-0.5 * right, 0.4 * down);
    });
    canvas.addEventListener("pointerup", (event) => {
      if (held && !held.moved) this.press(this.under(event));
      held = null;
    });
    canvas.addEventListener("pointercancel", () => { held = null; });
    // Only after a click into it, so that a reader who scrolls through a notebook is not caught.
    canvas.addEventListener("wheel", (event) => {
      if (document.activeElement !== canvas && !event.ctrlKey) return;
      event.preventDefault();
      this.zoom(Math.exp(-0.0015 * event.deltaY));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  turn(right, up) {
    this.pose.turn += right;
    this.pose.tilt = Math.max(-89, Math.min(89, this.pose.tilt + up));
    this.view.posed();
  }

  zoom(factor) {
    this.pose.zoom = Math.max(0.5, Math.min(8, this.pose.zoom * factor));
    this.view.posed();
  }

  key(event) {
    const { key, shiftKey, ctrlKey, altKey, metaKey } = event;
    if (ctrlKey || altKey || metaKey) return;
    const moves = {
      ArrowLeft: [-1, 0, 0], ArrowRight: [1, 0, 0], ArrowUp: [0, -1, 0], ArrowDown: [0, 1, 0],
      PageUp: [0, 0, 1], PageDown: [0, 0, -1],
    };
    const turns = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };
    if (shiftKey && key in moves) this.walk(moves[key]);
    else if (key in turns) this.turn(...turns[key]);
    else if (key === " ") this.view.play();
    else if (key === "," || key === "<") this.view.go(this.view.tick - 1);
    else if (key === "." || key === ">") this.view.go(this.view.tick + 1);
    else if (key === "+" || key === "=") this.zoom(1.2);
    else if (key === "-") this.zoom(1 / 1.2);
    else if (key === "Home") this.view.reset();
    else if (key === "Enter" && this.at !== null) this.press(this.at);
    else if (key === "Escape") this.point(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Moves the cell that is pointed at by planes, rows and columns. */
  walk(by) {
    const [, planes, rows, columns] = this.shape;
    const from = this.at === null ? by.map((step) => -step) : this.place(this.at);
    const [plane, row, column] = [planes, rows, columns].map((count, axis) =>
      Math.max(0, Math.min(count - 1, from[axis] + by[axis])));
    this.point((plane * rows + row) * columns + column);
  }

  /** The cell below the mouse: the nearest one that holds something or is dead, else the nearest one. */
  under(event) {
    const x = (2 * event.offsetX - this.drawn) / this.wide;
    const y = 1 - (2 * event.offsetY) / this.tall;
    if (Math.abs(x) > 1) return null;
    const from = this.camera.position;
    const along = new Vector3(x, y, 0.5).unproject(this.camera).sub(from).normalize();
    const tick = Math.min(this.view.tick, this.shape[0] - 1);
    const nearest = { solid: [Infinity, null], any: [Infinity, null] };
    const look = (kind, cell, half) => {
      const distance = hits(from, along, this.middle(cell), half);
      if (distance < nearest[kind][0]) nearest[kind] = [distance, cell];
    };
    for (let cell = 0; cell < this.cells; cell++) {
      const [level, dead] = [this.levels[tick * this.cells + cell], this.dead?.[cell]];
      if (this.isSolid(level, dead)) look("solid", cell, this.side(level, dead) / 2);
      look("any", cell, 0.5);
    }
    return nearest.solid[1] ?? nearest.any[1];
  }

  point(cell) {
    if (cell === this.at) return;
    this.at = cell;
    this.pointer.visible = cell !== null;
    if (cell === null) this.say(null);
    else this.pointer.position.set(...this.middle(cell));
    this.refresh();
    this.redraw();
  }

  /** The label of the cell that is pointed at: it may hold something else now. */
  refresh() {
    if (this.at === null || !this.width) return;
    this.aim();
    const [plane, row, column] = this.place(this.at);
    const text = `plane ${plane}, row ${row}, column ${column}\n${this.reading(this.at)}`;
    this.say(text, ...this.project(...this.middle(this.at)));
  }

  /** What a cell holds, in words. */
  reading(cell) {
    if (this.dead?.[cell]) return "dead";
    const tick = Math.min(this.view.tick, this.shape[0] - 1);
    return number(this.values[tick * this.cells + cell]);
  }

  press(cell) {
    if (cell === null || !this.content.clickable) return;
    this.view.emit({ kind: "click", panel: this.content.name, cell: this.place(cell) });
  }

  dispose() {
    clearTimeout(this.rest);
    this.writing?.dispose();
    for (const mesh of [this.solid, this.glass, this.frame, this.pointer, this.bars]) {
      mesh?.geometry.dispose();
      mesh?.material.dispose();
    }
  }
}

const CORNERS = [-1, 1].flatMap((i) => [-1, 1].flatMap((j) => [-1, 1].map((k) => [i, j, k])));

/** Colors are those of the screen: nothing is to be converted. */
function setColor(color, hex) {
  color.setRGB(...[1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16) / 255));
}

/** How far away a ray meets a cube, or Infinity. */
function hits(from, along, middle, half) {
  let [near, far] = [0, Infinity];
  const axes = [from.x, from.y, from.z];
  const steps = [along.x, along.y, along.z];
  for (let axis = 0; axis < 3; axis++) {
    const one = (middle[axis] - half - axes[axis]) / steps[axis];
    const two = (middle[axis] + half - axes[axis]) / steps[axis];
    near = Math.max(near, Math.min(one, two));
    far = Math.min(far, Math.max(one, two));
  }
  return near <= far ? near : Infinity;
}
