// Numbers and dates as people write them, in American English and UTC alone: what scripts mean by
// toLocaleString() on most machines. Other languages and time zones are refused by name.

const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const SIGNS = { USD: "$", EUR: "€", GBP: "£", JPY: "¥", INR: "₹", CNY: "CN¥", KRW: "₩", BRL: "R$", CAD: "CA$", AUD: "A$", MXN: "MX$", NZD: "NZ$" };

function english(locales, name) {
  for (const locale of [locales ?? []].flat()) {
    if (!/^en(-|$)/.test(String(locale)) && locale !== "default") throw new RangeError(`${name}: locale '${locale}' can't be used: this runner writes American English (en-US) alone`);
  }
}

function plainNumber(value, least, most) {
  let text = Math.abs(value).toFixed(Math.min(most, 100));
  // toFixed takes the number as it is stored; so do formatters of other engines.
  if (text.includes("e")) return text;
  let [whole, fraction = ""] = text.split(".");
  while (fraction.length > least && fraction.endsWith("0")) fraction = fraction.slice(0, -1);
  return fraction ? `${whole}.${fraction}` : whole;
}

const group = (text) => text.replace(/^\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, ","));

function numberText(value, options = {}) {
  if (typeof value === "bigint") return (value < 0n ? "-" : "") + group(String(value < 0n ? -value : value));
  const { style = "decimal", currency, notation = "standard", useGrouping = true, unit } = options;
  if (Number.isNaN(value)) return "NaN";
  let number = style === "percent" ? value * 100 : value;
  let suffix = style === "percent" ? "%" : unit && style === "unit" ? ` ${unit}` : "";
  let least = options.minimumFractionDigits;
  let most = options.maximumFractionDigits;
  const usual = style === "currency" ? (currency === "JPY" || currency === "KRW" ? [0, 0] : [2, 2]) : style === "percent" ? [0, 0] : [0, 3];
  least ??= Math.min(usual[0], most ?? usual[0]);
  most ??= Math.max(usual[1], least);
  if (least > most) throw new RangeError("maximumFractionDigits value is out of range.");
  let text;
  if (notation === "compact") {
    const step = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]].find(([size]) => Math.abs(number) >= size);
    if (step) {
      number /= step[0];
      suffix = step[1] + suffix;
    }
    text = plainNumber(number, 0, options.maximumFractionDigits ?? (Math.abs(number) < 100 ? Math.max(0, 2 - String(Math.trunc(Math.abs(number))).length) : 0));
  } else if (!Number.isFinite(number)) {
    text = "∞";
  } else if (options.maximumSignificantDigits || options.minimumSignificantDigits) {
    const digits = options.maximumSignificantDigits ?? options.minimumSignificantDigits;
    text = String(Number(Math.abs(number).toPrecision(digits)));
  } else {
    text = plainNumber(number, least, most);
  }
  const padded = options.minimumIntegerDigits ? text.replace(/^\d+/, (whole) => whole.padStart(options.minimumIntegerDigits, "0")) : text;
  const grouped = useGrouping && useGrouping !== "false" ? group(padded) : padded;
  const sign = number < 0 || Object.is(number, -0) ? "-" : options.signDisplay === "always" || (options.signDisplay === "exceptZero" && number > 0) ? "+" : "";
  if (style !== "currency") return sign + grouped + suffix;
  if (!currency) throw new TypeError("Currency code is required with currency style.");
  const code = String(currency).toUpperCase();
  if (options.currencyDisplay === "code" || !SIGNS[code]) return `${sign}${code}\u00a0${grouped}${suffix}`;
  return sign + SIGNS[code] + grouped + suffix;
}

const FIELDS = ["weekday", "year", "month", "day", "hour", "minute", "second", "fractionalSecondDigits", "dayPeriod", "timeZoneName"];
const DATE_STYLES = {
  full: { weekday: "long", year: "numeric", month: "long", day: "numeric" }, long: { year: "numeric", month: "long", day: "numeric" },
  medium: { year: "numeric", month: "short", day: "numeric" }, short: { year: "2-digit", month: "numeric", day: "numeric" },
};
const TIME_STYLES = {
  full: { hour: "numeric", minute: "2-digit", second: "2-digit", timeZoneName: "long" }, long: { hour: "numeric", minute: "2-digit", second: "2-digit", timeZoneName: "short" },
  medium: { hour: "numeric", minute: "2-digit", second: "2-digit" }, short: { hour: "numeric", minute: "2-digit" },
};

function utc(options, name) {
  if (options.timeZone !== undefined && !/^(utc|gmt|etc\/utc|etc\/gmt|\+00:00)$/i.test(options.timeZone)) {
    throw new RangeError(`${name}: time zone '${options.timeZone}' can't be used: a mission knows UTC alone`);
  }
}

const two = (number) => String(number).padStart(2, "0");

function dateText(date, options, name, usual) {
  utc(options, name);
  if (Number.isNaN(date.getTime())) return "Invalid Date";
  let shown = options;
  if (options.dateStyle || options.timeStyle) shown = { ...options, ...DATE_STYLES[options.dateStyle], ...TIME_STYLES[options.timeStyle] };
  else if (!FIELDS.some((field) => options[field] !== undefined)) shown = { ...options, ...usual };
  const year = shown.year && (shown.year === "2-digit" ? two(date.getUTCFullYear() % 100) : String(date.getUTCFullYear()));
  const day = shown.day && (shown.day === "2-digit" ? two(date.getUTCDate()) : String(date.getUTCDate()));
  const weekday = shown.weekday && (shown.weekday === "long" ? DAYS[date.getUTCDay()] : DAYS[date.getUTCDay()].slice(0, shown.weekday === "narrow" ? 1 : 3));
  const isWord = shown.month && !["numeric", "2-digit"].includes(shown.month);
  const number = date.getUTCMonth() + 1;
  const month = shown.month && (isWord ? MONTHS[number - 1].slice(0, shown.month === "long" ? undefined : shown.month === "narrow" ? 1 : 3) : shown.month === "2-digit" ? two(number) : String(number));
  let dateShown;
  if (isWord) dateShown = [weekday, [month, day].filter(Boolean).join(" "), year].filter(Boolean).join(day || weekday ? ", " : " ");
  else dateShown = [weekday, [month, day, year].filter(Boolean).join("/")].filter(Boolean).join(", ");
  let time = "";
  if (shown.hour || shown.minute || shown.second) {
    const is24 = shown.hour12 === false || shown.hourCycle === "h23";
    const hours = date.getUTCHours();
    const hour = shown.hour && (is24 ? two(hours) : shown.hour === "2-digit" ? two(hours % 12 || 12) : String(hours % 12 || 12));
    const minute = shown.minute && (shown.hour || shown.second ? two(date.getUTCMinutes()) : String(date.getUTCMinutes()));
    const second = shown.second && (shown.minute ? two(date.getUTCSeconds()) : String(date.getUTCSeconds()));
    const fraction = shown.fractionalSecondDigits ? "." + String(date.getUTCMilliseconds()).padStart(3, "0").slice(0, shown.fractionalSecondDigits) : "";
    time = [hour, minute, second].filter(Boolean).join(":") + fraction + (hour && !is24 ? (hours < 12 ? " AM" : " PM") : "");
  }
  if (shown.timeZoneName) time += shown.timeZoneName === "long" ? " Coordinated Universal Time" : " UTC";
  const joint = isWord && options.dateStyle && ["full", "long"].includes(options.dateStyle) ? " at " : ", ";
  return [dateShown, time].filter(Boolean).join(joint);
}

const DATE = { year: "numeric", month: "numeric", day: "numeric" };
const TIME = { hour: "numeric", minute: "2-digit", second: "2-digit" };

function withUsual(options, usual, has) {
  const hasSome = [...has].some((field) => options[field] !== undefined) || options.dateStyle || options.timeStyle;
  return hasSome ? options : { ...options, ...usual };
}

/** The methods of numbers and dates, which take the value as `this`. */
export const localeTexts = {
  toLocaleString(locales, options = {}) {
    english(locales, "toLocaleString");
    return numberText(this.valueOf(), options);
  },
  toLocaleDateString(locales, options = {}) {
    english(locales, "toLocaleDateString");
    return dateText(this, withUsual(options, DATE, FIELDS.slice(0, 4)), "toLocaleDateString", DATE);
  },
  toLocaleTimeString(locales, options = {}) {
    english(locales, "toLocaleTimeString");
    return dateText(this, withUsual(options, TIME, FIELDS.slice(4, 9)), "toLocaleTimeString", TIME);
  },
  toLocaleDateTimeString(locales, options = {}) {
    english(locales, "toLocaleString");
    return dateText(this, options, "toLocaleString", { ...DATE, ...TIME });
  },
};

class NumberFormat {
  #options;
  constructor(locales, options = {}) {
    english(locales, "Intl.NumberFormat");
    this.#options = options;
    this.format = (value) => numberText(typeof value === "bigint" ? value : Number(value), this.#options);
  }
  resolvedOptions() {
    return { locale: "en-US", numberingSystem: "latn", style: "decimal", ...this.#options };
  }
}

class DateTimeFormat {
  #options;
  constructor(locales, options = {}) {
    english(locales, "Intl.DateTimeFormat");
    utc(options, "Intl.DateTimeFormat");
    this.#options = options;
    this.format = (value = Date.now()) => dateText(new Date(value), this.#options, "Intl.DateTimeFormat", DATE);
  }
  resolvedOptions() {
    return { locale: "en-US", calendar: "gregory", numberingSystem: "latn", timeZone: "UTC", ...this.#options };
  }
}

class PluralRules {
  #isOrdinal;
  constructor(locales, options = {}) {
    english(locales, "Intl.PluralRules");
    this.#isOrdinal = options.type === "ordinal";
  }
  select(number) {
    if (!this.#isOrdinal) return number === 1 ? "one" : "other";
    const [tens, ones] = [number % 100, number % 10];
    if (ones === 1 && tens !== 11) return "one";
    if (ones === 2 && tens !== 12) return "two";
    return ones === 3 && tens !== 13 ? "few" : "other";
  }
}

class ListFormat {
  #word;
  constructor(locales, options = {}) {
    english(locales, "Intl.ListFormat");
    this.#word = options.type === "disjunction" ? "or" : "and";
  }
  format(items) {
    const list = [...items];
    if (list.length < 3) return list.join(` ${this.#word} `);
    return `${list.slice(0, -1).join(", ")}, ${this.#word} ${list.at(-1)}`;
  }
}

class Collator {
  constructor(locales, options = {}) {
    english(locales, "Intl.Collator");
    this.compare = (a, b) => {
      const key = (text) => (options.sensitivity === "base" || options.sensitivity === "accent" ? text.toLowerCase() : text);
      const [x, y] = [key(String(a)), key(String(b))];
      if (!options.numeric) return x.localeCompare(y);
      const parts = (text) => text.split(/(\d+)/);
      const [p, q] = [parts(x), parts(y)];
      for (let at = 0; at < Math.max(p.length, q.length); at++) {
        const difference = at % 2 === 1 ? Number(p[at]) - Number(q[at]) : (p[at] ?? "").localeCompare(q[at] ?? "");
        if (difference) return Math.sign(difference);
      }
      return 0;
    };
  }
}

const missing = (name) => class {
  constructor() {
    throw new Error(`Intl.${name} can't be used: this runner has NumberFormat, DateTimeFormat, PluralRules, ListFormat and Collator, in American English`);
  }
};

export const Intl = {
  NumberFormat, DateTimeFormat, PluralRules, ListFormat, Collator,
  RelativeTimeFormat: missing("RelativeTimeFormat"), Segmenter: missing("Segmenter"), DisplayNames: missing("DisplayNames"), DurationFormat: missing("DurationFormat"),
  getCanonicalLocales: (locales) => [locales ?? []].flat(),
};
for (const [name, value] of Object.entries(Intl)) {
  if (typeof value === "function" && value.prototype && /^[A-Z]/.test(name) && value.name === name) value.supportedLocalesOf = (locales) => [locales ?? []].flat().filter((locale) => /^en(-|$)/.test(locale));
}
