/** A longer element, or more beside the list, is no reply of any scheduler. */
const ELEMENT_BYTES_MAX = 32 << 20;
const REST_BYTES_MAX = 8 << 20;
/** Names of the outermost object are told apart up to here. */
const NAME_CHARACTERS_MAX = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** A JSON object that is read while it comes: the elements of one of its lists one by one, the rest at the end. */
export interface JsonList {
  /**
   * @returns the text of each element that ends in these bytes; it may be no JSON
   * @throws RangeError where an element, or the rest, is longer than 32 MiB, 8 MiB
   */
  add(chunk: Uint8Array): string[];
  /**
   * To be called when nothing more comes.
   * @returns the object, with its list empty
   * @throws SyntaxError when what came is no JSON object with such a list, or only the beginning of one
   */
  end(): Readonly<Record<string, unknown>>;
}

/** Takes the elements of the list `name` of the outermost object out of JSON that is too large for memory. */
export function createJsonList(name: string): JsonList {
  const element = createText(ELEMENT_BYTES_MAX, `an element of "${name}"`);
  const rest = createText(REST_BYTES_MAX, `all beside "${name}"`);
  let depth = 0;
  let isInString = false;
  let isEscaped = false;
  let isInList = false;
  let isListSeen = false;
  let elementCount = 0;
  /** The last string of the outermost object, and the name whose value comes. */
  let word = '';
  let key = '';

  /** A byte of a string. */
  function readInString(byte: number): void {
    if (isEscaped) isEscaped = false;
    else if (byte === BACKSLASH) isEscaped = true;
    else if (byte === QUOTE) isInString = false;
    if (isInString && depth === 1 && word.length < NAME_CHARACTERS_MAX) word += String.fromCharCode(byte);
  }

  /** A byte between strings. @returns whether the list begins with it */
  function readBetween(byte: number): boolean {
    if (byte === QUOTE) {
      isInString = true;
      if (depth === 1) word = '';
    } else if (byte === OPEN_BRACKET || byte === OPEN_BRACE) {
      depth += 1;
      return byte === OPEN_BRACKET && depth === 2 && key === name;
    } else if (byte === CLOSE_BRACKET || byte === CLOSE_BRACE) {
      depth -= 1;
      if (depth < 2) isInList = false;
    } else if (depth === 1 && byte === COLON) key = word;
    else if (depth === 1 && byte === COMMA) key = '';
    return false;
  }

  function add(chunk: Uint8Array): string[] {
    const ended: string[] = [];
    /** From here on the bytes belong to what is being read: an element, or the rest. */
    let from = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at]!;
      if (isInString) {
        readInString(byte);
        continue;
      }
      if (isInList && depth === 2 && (byte === COMMA || byte === CLOSE_BRACKET)) {
        element.add(chunk.subarray(from, at));
        const text = element.take().trim();
        const isListEmpty = byte === CLOSE_BRACKET && elementCount === 0 && text === '';
        if (!isListEmpty) ended.push(text);
        elementCount += 1;
        from = byte === COMMA ? at + 1 : at;
      }
      if (!readBetween(byte)) continue;
      rest.add(chunk.subarray(from, at + 1));
      from = at + 1;
      isInList = true;
      isListSeen = true;
      elementCount = 0;
    }
    (isInList ? element : rest).add(chunk.subarray(from));
    return ended;
  }

  return {
    add,
    end() {
      const text = rest.take();
      const whole: unknown = JSON.parse(text);
      if (!isListSeen || typeof whole !== 'object' || whole === null)
        throw new SyntaxError(`expected a JSON object with a list "${name}"`);
      return whole as Record<string, unknown>;
    },
  };
}

interface Text {
  add(bytes: Uint8Array): void;
  take(): string;
}

/** Bytes that come in pieces, until they are taken as one text; what is no UTF-8 becomes U+FFFD. */
function createText(bytesMax: number, what: string): Text {
  const decoder = new TextDecoder();
  let pieces: Uint8Array[] = [];
  let byteCount = 0;
  return {
    add(bytes) {
      if (bytes.length === 0) return;
      byteCount += bytes.length;
      if (byteCount > bytesMax) throw new RangeError(`${what} is longer than ${bytesMax >> 20} MiB`);
      pieces.push(bytes);
    },
    take() {
      const text = decoder.decode(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces));
      pieces = [];
      byteCount = 0;
      return text;
    },
  };
}
