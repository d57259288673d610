export {Decoder} from './decoder.js';
export {PoseError} from './errors.js';
export {letterbox, place} from './letterbox.js';
export {loadPose} from './loader.js';
export {Circuit, PoseModel, Smoothing} from './pose.js';
export {takesCanary} from './release.js';
