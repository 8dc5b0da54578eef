/**
 * ONNX Runtime 1.30 for Node reports usage to its maker unless ORT_DISABLE_TELEMETRY is set, and writes a database and
 * a log file for it. Nobody asked our users, so it is off, unless they have set the variable themselves.
 *
 * The native library reads the real environment, which only the main thread can change: a program that loads it
 * in a worker first must call this before it starts that worker. The one exception to the rule that only cli/
 * touches the environment.
 */
const VARIABLE = "ORT_DISABLE_TELEMETRY";

/** Turns the native library's telemetry off for this process; no effect once the library is loaded. */
export function disableNativeTelemetry(): void {
  process.env[VARIABLE] ??= "1";
}
