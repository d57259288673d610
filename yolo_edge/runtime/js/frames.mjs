// How Python and a Node process speak over stdin and stdout.
//
// Both ways a frame is: uint32 (little-endian) length of a JSON header, the header, then header.bytes bytes of payload.

// stdout carries frames alone: whatever libraries print goes to stderr.
for (const level of ['log', 'info', 'debug', 'warn']) console[level] = (...words) => console.error(...words);

/** Split stdin into frames. */
export async function* frames(stream) {
  let chunks = [];
  let size = 0;
  let header = null;
  let needed = 4;
  const take = () => {
    const whole = Buffer.concat(chunks, size);
    const part = whole.subarray(0, needed);
    chunks = [whole.subarray(needed)];
    size -= needed;
    return part;
  };
  let state = 'length';
  for await (const chunk of stream) {
    chunks.push(chunk);
    size += chunk.length;
    while (size >= needed) {
      const part = take();
      if (state === 'length') {
        [state, needed] = ['header', part.readUInt32LE(0)];
      } else if (state === 'header') {
        header = JSON.parse(part.toString('utf8'));
        [state, needed] = ['payload', header.bytes ?? 0];
      } else {
        [state, needed] = ['length', 4];
        yield {header, payload: part};
      }
    }
  }
}

export function send(header, payload = new Uint8Array(0)) {
  const json = Buffer.from(JSON.stringify({...header, bytes: payload.byteLength}), 'utf8');
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length, 0);
  const body = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  process.stdout.write(Buffer.concat([length, json, body]));
}
