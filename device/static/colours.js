// The colour scale of the class maps: blue speaks against, vermilion speaks for, nothing is left blank.
//
// The scale is fixed by the model (limit and blank_below, in logit units), never stretched to one picture, so a pale map
// means weak evidence. Blue and vermilion stay apart in the common forms of colour blindness (Okabe and Ito 2008); both
// grow darker and more opaque with strength, so that strength reads without hue.

const AGAINST = { weak: [86, 180, 233], strong: [0, 62, 130] };
const FOR = { weak: [245, 158, 66], strong: [176, 42, 0] };
const OPACITY = { weak: 0.45, strong: 0.95 };

// Red, green, blue and alpha, each 0 to 255, of a value in logit units.
export function colourOf(value, { limit, blank_below: blankBelow }) {
  const size = Math.abs(value);
  if (size < blankBelow) return [0, 0, 0, 0];
  const strength = Math.min(1, (size - blankBelow) / (limit - blankBelow));
  const mix = (weak, strong) => weak + (strong - weak) * strength;
  const side = value > 0 ? FOR : AGAINST;
  return [0, 1, 2].map((channel) => mix(side.weak[channel], side.strong[channel]))
    .concat(255 * mix(OPACITY.weak, OPACITY.strong));
}

// 513 steps from -limit to +limit as one byte array of RGBA, for drawing many pixels.
export function colourTable(scale) {
  const table = new Uint8ClampedArray(513 * 4);
  for (let step = 0; step < 513; step += 1) {
    table.set(colourOf(((step - 256) / 256) * scale.limit, scale), step * 4);
  }
  return table;
}

export function tableStep(value, scale) {
  // Truncated towards zero, so that a value short of blank_below is never drawn.
  const step = Math.trunc((value / scale.limit) * 256);
  return 256 + Math.max(-256, Math.min(256, step));
}
