// The one WebGL context of a page. Browsers allow a page some sixteen; a notebook may have more views than that, so
// each view has its scene drawn here and is handed the picture, which costs no copy.

import { LinearSRGBColorSpace, WebGLRenderer } from "three";

let stage; // undefined: not tried yet; null: this browser has no WebGL

/** The renderer, or null where there is no WebGL. */
export function theStage() {
  if (stage === undefined) {
    try {
      stage = new Stage();
    } catch {
      stage = null;
    }
  }
  return stage;
}

class Stage {
  constructor() {
    this.canvas = new OffscreenCanvas(1, 1);
    this.slow = drawsBySoftware();
    const options = { alpha: false, antialias: !this.slow, stencil: false, powerPreference: "low-power" };
    const context = this.canvas.getContext("webgl2", options); // asked first: three would complain on the console
    if (!context) throw new Error("no WebGL");
    this.renderer = new WebGLRenderer({ canvas: this.canvas, context, ...options });
    this.renderer.outputColorSpace = LinearSRGBColorSpace; // colors are given as those of the screen
  }

  /** The picture of a scene, of so many pixels, as an ImageBitmap. */
  draw(scene, camera, background, width, height) {
    if (width !== this.canvas.width || height !== this.canvas.height) this.renderer.setSize(width, height, false);
    this.renderer.setClearColor(background);
    this.renderer.render(scene, camera);
    return this.canvas.transferToImageBitmap();
  }
}

function drawsBySoftware() {
  const context = document.createElement("canvas").getContext("webgl2");
  if (!context) return true;
  const names = context.getExtension("WEBGL_debug_renderer_info");
  const name = context.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : context.RENDERER);
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|software|basic render/i.test(name);
}
