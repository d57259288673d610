/** What is found of one keypoint. */
export interface Keypoint {
  /** Pixels of the source. */
  x: number;
  y: number;
  /** Visibility, 0-1; 1 where the model tells none. */
  score: number;
  name: string;
}

export interface Person {
  /** 0-1. */
  score: number;
  /** Index among the model's classes. */
  classIndex: number;
  /** Pixels of the source, inside it. */
  box: {x: number; y: number; width: number; height: number};
  /** In the order of `pose.names`. */
  keypoints: Keypoint[];
  /** With `smoothing`: the same number frame by frame while the person is seen. */
  id?: number;
}

export type Source =
  | HTMLVideoElement | HTMLCanvasElement | OffscreenCanvas | HTMLImageElement | ImageData | ImageBitmap | VideoFrame | Blob;

export type Backend = 'webgpu' | 'webgl' | 'wasm' | 'cpu';

/** `documents`: channel and record. `download`: bytes arrive. `start`: a backend warms up. */
export interface Progress {
  stage: 'documents' | 'download' | 'start' | 'ready';
  /** Never falls. */
  bytes: number;
  /** Of the variants that were begun; 0 until it is known. */
  total: number;
}

/** Casiez, Roussel and Vogel, CHI 2012. A gap of a second or more starts anew. */
export interface SmoothingOptions {
  /** Hertz; lower is steadier. Default 1. */
  minCutoff?: number;
  /** Hertz for a speed of one box size a second; higher follows quicker. Default 4. */
  beta?: number;
  /** Hertz. Default 1. */
  derivativeCutoff?: number;
}

/** Times in milliseconds. */
export interface CircuitOptions {
  /** Failures in a row that open it. Default 3. */
  limit?: number;
  /** Pause before the first new try; doubles with each failure. Default 1000. */
  pause?: number;
  /** Longest pause. Default 60000. */
  longest?: number;
  /** Longest wait for an answer. Default 10000. */
  timeout?: number;
  clock?: () => number;
  random?: () => number;
}

export interface LoadOptions {
  /** TensorFlow.js: core, converter and backends. Default `globalThis.tf`. */
  tf?: object;
  /** `auto` takes the first of webgpu, webgl, wasm that computes rightly within 40 ms a frame, else the fastest. */
  backend?: 'auto' | Backend;
  /** `auto`: the largest that arrives within 4 seconds. `progressive`: the smallest first, then that one. Or a name. */
  variant?: 'auto' | 'progressive' | (string & {});
  /** Decides whether this client takes a canary; without it, it does not. */
  clientId?: string;
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
  /** Keep files for the next visit, which then works offline. Default true. */
  cache?: boolean;
  /** The server tier: answers where this device cannot, behind a circuit breaker. */
  fallback?: (frame: Source) => Promise<Person[]>;
  /** Milliseconds a frame above which the fallback is preferred. Default 250. */
  slowest?: number;
  circuit?: CircuitOptions;
  /** Lowest score, exclusive. Default: the model's, 0.25. */
  confidence?: number;
  /** Largest overlap of two persons. Default: the model's, 0.7. */
  iou?: number;
  /** 1-300. Default 300. */
  maxPersons?: number;
  smoothing?: boolean | SmoothingOptions;
  /** Milliseconds since 1970. */
  clock?: () => number;
}

export interface Capabilities {
  /** Where frames are answered: on this device, or by `fallback`. */
  tier: 'edge' | 'server';
  backend?: Backend;
  variant?: string;
  /** Of a frame, when the backend was chosen. */
  milliseconds?: number;
  /** Why it came so, in the order of events. */
  reasons: string[];
  name?: string;
  version?: string;
  release?: string;
  channel?: string;
  canary?: boolean;
  /** Where files are kept. */
  cache?: 'cache' | 'indexeddb' | 'none';
  circuit: {state?: 'closed' | 'open' | 'half-open'; failures?: number; lastError?: string};
}

export class PoseModel {
  /** Keypoint names. */
  readonly names: string[];
  /** Pairs of keypoint indices to join by a line. */
  readonly skeleton: [number, number][];
  readonly capabilities: Capabilities;
  /** Resolves when the last variant is in place; never rejects, `capabilities.reasons` tells a failure. */
  readonly settled: Promise<void>;
  /**
   * Find the persons in a frame, by falling score. Frames are dropped, never queued: while another call runs the answer
   * is null at once; so it is where the server tier does not answer and nothing stands in. The objects are yours.
   */
  detect(source: Source): Promise<Person[] | null>;
  /** Free its memory, after the frame that runs. */
  dispose(): void;
}

export type ErrorCode =
  | 'aborted' | 'channel' | 'disposed' | 'expired' | 'html' | 'http' | 'insecure' | 'integrity' | 'lost' | 'network'
  | 'no-backend' | 'no-tf' | 'options' | 'output' | 'replayed' | 'schema' | 'source' | 'truncated';

/** Every error of this library; its message says what to do. */
export class PoseError extends Error {
  readonly code: ErrorCode;
  /** Of HTTP, with the code `http`. */
  readonly status?: number;
}

/**
 * Load a pose model from the address of a channel, a commit record, or a converted directory (folder/ or model.json).
 * Rejects with a PoseError. With a `fallback`, only 'aborted', 'options' and 'no-tf' reject; else the server answers.
 */
export function loadPose(url: string | URL, options?: LoadOptions): Promise<PoseModel>;

/** Where a source of w x h pixels lies in an input of W x H. */
export interface Placement {
  w: number; h: number; W: number; H: number; width: number; height: number; left: number; top: number;
}

export function place(w: number, h: number, W: number, H: number): Placement;

/** The input tensor [1, H, W, 3] of a picture; `grey` is `contract.input.pad_value`. */
export function letterbox(tf: object, pixels: CanvasImageSource, at: Placement, grey: number): object;

/** Reads an output tensor by `contract.output` of manifest.json. */
export class Decoder {
  constructor(output: object, names: string[], limit?: number);
  /** Choose the persons, without allocation; returns how many. */
  decode(values: Float32Array, confidence?: number, iou?: number): number;
  /** Those of the last `decode` of these values. */
  persons(values: Float32Array, at: Placement): Person[];
}

/** A circuit breaker. */
export class Circuit {
  constructor(options?: CircuitOptions);
  readonly state: 'closed' | 'open' | 'half-open';
  readonly failures: number;
  /** null where it is open, or the call failed. */
  run<T>(call: () => Promise<T>): Promise<T | null>;
}

/** Steadies keypoints and numbers persons. */
export class Smoothing {
  constructor(options?: SmoothingOptions);
  /** Changes the persons and returns them; `now` in milliseconds. */
  apply(persons: Person[], now: number): Person[];
}

/** Whether a client takes the canary of a channel. */
export function takesCanary(canary: {salt: string; percent: number} | null, clientId?: string): Promise<boolean>;
