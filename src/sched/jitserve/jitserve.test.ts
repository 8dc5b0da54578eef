import { policyConformance } from "../policy.conformance.ts";
import { jitserve } from "./jitserve.ts";

policyConformance("jitserve", jitserve, { impatient: () => jitserve({ agingMs: 100 }) });
