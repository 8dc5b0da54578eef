/** How large a step may be in which nothing decodes; one definition for engines and simulations. */

/**
 * In calibrated budgets. What comes next waits that much longer for its turn, at worst.
 */
const BUDGETS = 4;

/** @param mostTokens what a step can hold at all. */
export function promptStepTokens(budgetTokens: number, mostTokens: number): number {
  return Math.max(budgetTokens, Math.min(mostTokens, BUDGETS * budgetTokens));
}
