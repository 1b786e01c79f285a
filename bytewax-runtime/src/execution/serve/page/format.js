// Numbers as people read them. A value that is not known is a dash.

const NONE = "–";

const is = (value) => value !== null && value !== undefined && Number.isFinite(value);

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

// 0, 0.4, 9.9, 870, 12.3k, 4.56M
export function short(value) {
  if (!is(value)) return NONE;
  const size = Math.abs(value);
  if (size < 9.95) return size < 0.05 ? "0" : value.toFixed(1).replace(/\.0$/, "");
  if (size < 999.5) return String(Math.round(value));
  for (const [unit, letter] of [[1e3, "k"], [1e6, "M"], [1e9, "G"], [1e12, "T"]]) {
    const scaled = value / unit;
    if (Math.abs(scaled) < 999.5) {
      return (Math.abs(scaled) < 99.95 ? scaled.toFixed(1).replace(/\.0$/, "") : Math.round(scaled)) + letter;
    }
  }
  return value.toExponential(1);
}

export const rate = (value) => (is(value) ? `${short(value)}/s` : NONE);

export const whole = (value) => (is(value) ? grouped.format(value) : NONE);

export function percent(share) {
  if (!is(share)) return NONE;
  const points = 100 * share;
  return points > 0 && points < 1 ? "<1 %" : `${Math.round(points)} %`;
}

export function bytes(value) {
  if (!is(value)) return NONE;
  for (const [unit, name] of [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]]) {
    if (Math.abs(value) >= unit) {
      const scaled = value / unit;
      return `${scaled >= 99.95 ? Math.round(scaled) : scaled.toFixed(1)} ${name}`;
    }
  }
  return `${Math.round(value)} B`;
}

export function span(seconds) {
  if (!is(seconds)) return NONE;
  const sign = seconds < 0 ? "-" : "";
  let left = Math.abs(seconds);
  if (left < 0.0005) return "0 s";
  if (left < 0.9995) return `${sign}${left < 0.00995 ? (left * 1e3).toFixed(1) : Math.round(left * 1e3)} ms`;
  if (left < 59.95) return `${sign}${left < 9.95 ? left.toFixed(1) : Math.round(left)} s`;
  left = Math.round(left);
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = parts.findIndex(([unit]) => left >= unit);
  const [unit, name] = parts[first];
  const rest = parts[first + 1];
  const more = rest ? Math.floor((left % unit) / rest[0]) : 0;
  return `${sign}${Math.floor(left / unit)} ${name}${more ? ` ${more} ${rest[1]}` : ""}`;
}

const two = (value) => String(value).padStart(2, "0");

// A time of the day, with the date if it is another.
export function time(text, near) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return text ?? NONE;
  const day = at.toISOString().slice(0, 10);
  const clock = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}`;
  return day === near?.slice(0, 10) ? `${clock} UTC` : `${day} ${clock} UTC`;
}
