/** Layer routes: which layers a sequence goes through, decided once from its prompt; steps and pages of those that leave some out. */
export { decideMask, keptLayers, maskOf, sigmoid, type Compute, type LayerMask } from "./mask.ts";
export {
  DEFAULT_PROTECTED,
  holdsRoutes,
  isRoutable,
  readRoutes,
  ROUTE_CONFIG_FILE,
  writeRoutes,
  type ProtectedLayers,
  type Router,
  type RouteSet,
  type RoutesToWrite,
} from "./route-set.ts";
export { RouteSums } from "./route-sums.ts";
export { RoutedRun, type RoutedRow } from "./routed-run.ts";
export { mergesRoutes } from "./shared-weights.ts";
export { layeredView, layerUnits, packPages, pagesFor, type LayeredCache, type RowPlace } from "./units.ts";
