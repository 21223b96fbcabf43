/** JSON text of a double; NaN and the infinities, which JSON lacks, become strings, as Jackson and proto3 JSON do. */
export function doubleText(value: number): string {
  if (Number.isFinite(value)) {
    // A double stays visibly one: clients of typed languages tell 1 and 1.0 apart.
    return Number.isInteger(value) && Math.abs(value) < 1e21 ? `${integerText(value)}.0` : `${value}`
  }
  return `"${value}"`
}

/** JSON text of a float: the shortest that names this float, not the double that it equals. */
export function floatText(value: number): string {
  if (!Number.isFinite(value) || value === 0) return doubleText(value)
  for (let digits = 6; digits < 9; digits++) {
    const shorter = Number(value.toPrecision(digits))
    if (Math.fround(shorter) === value) return doubleText(shorter)
  }
  return doubleText(Number(value.toPrecision(9)))
}

function integerText(value: number): string {
  return Object.is(value, -0) ? '-0' : `${value}`
}
