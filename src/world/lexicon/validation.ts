/**
 * Names that stand in validation items only. Training names would not show whether a model copies a name or knows
 * it by heart, and those of the test split must not steer a recipe.
 */
import { list } from "./list.ts";

/** By kind, as the lists of `people.ts` and `things.ts`. */
export const VALIDATION = {
  people: list(`
    Anouk, Soren, Dario, Felipe, Oskar, Brigid, Cosmo, Delphine, Emre, Fenja, Hideo, Isolde, Jarek, Katinka, Lorcan,
    Maiken, Nestor, Ottilie, Rosalba, Tobias, Wendelin, Zebedee, Quirin, Thandie, Yusra, Bjork, Calixta, Odran`),
  countable: list(`jigsaws, feathered hats, toy drums, paper cranes, pine cones, lanterns, thimbles, saucers, bobbins`),
  goods: list(`
    egg timer, tea strainer, spice rack, foot stool, paper lantern, oil lamp, cork board, snow shovel, wind chime,
    glass jar, bread tin, step ladder, sewing machine, pocket knife, folding chair, rain barrel, anvil, loom, banjo,
    desk lamp, jelly mold, juicer`),
  groceries: list(`
    red cabbage soup, goat milk, pine nuts, fish sticks, corn flakes, sweet peas, tomato paste, rice cakes, egg salad,
    plum jam, dill, sage, beetroot, oat bran, maple candy, lamb chops, frozen waffles, cat litter, rye bread, fennel`),
  rooms: list(`
    tool room, west wing, boot room, piano room, upper floor, winter garden, art gallery, tea house, barn, foyer,
    drying room, north tower, wine cave, mud porch, canteen`),
  music: list(`
    surf rock, old hymns, slow mambo, piano solos, fiddle reels, river sounds, harbor tunes, polar chants, zydeco,
    night jazz, steel drums`),
  spots: list(`
    under the desk, next to the fridge, in the top drawer, by the back door, behind the oven, on the book pile,
    in the wicker chair, beside the anvil, under the blue tarp, in the hay`),
  belongings: list(`
    fishing rod, sketch pad, spare glasses, lunch bag, door stop, wool cap, steel ruler, ear plug, ice skate, megaphone,
    pocket mirror, padlock, sun visor`),
  chores: list(`
    scrubs the pots, folds the towels, mows the field, empties the bins, oils the hinges, shakes the rugs,
    stacks the chairs, milks the goat, grinds the pepper, rings the bell`),
  errands: list(`
    fix the fence, email the tailor, wash my hair, feed the ducks, sew a button, order new glasses, take my vitamins,
    empty the compost, charge the scooter, bring soup to grandpa, oil the hinges, look for the receipt, stir the dough,
    pay for the milk, turn off the sprinkler, buy stamps, lock the shed, thank the nurse`),
  news: list(`
    the ferry is late, the stove is on, I lost the map, the kettle is broken, the snow has melted, supper is cold,
    I am at the tailor, the fence fell over, my shift ends at nine, the cows are out, the roof leaks again, we need salt,
    the judge said yes, I sold the boat, nobody came, the ice is thin`),
} as const satisfies Record<string, readonly string[]>;
