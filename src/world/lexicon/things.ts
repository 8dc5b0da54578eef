/** The world's things and places: goods, rooms, music, stores, spots. Packed; `entities.ts` holds some out. */

const list = (packed: string): readonly string[] =>
  packed
    .trim()
    .split(/\s*[,\n]\s*/u)
    .filter((entry) => entry !== "");

/** Countable things, plural. */
export const COUNTABLE: readonly string[] = list(`
apples, pears, plums, lemons, oranges, melons, eggs, rolls, cookies, muffins, candles, pencils, pens, erasers, books,
stamps, coins, buttons, marbles, stickers, cards, tickets, balloons, ribbons, flowers, roses, seeds, bulbs, plates,
cups, bowls, spoons, forks, glasses, jars, bottles, cans, boxes, bags, baskets, towels, pillows, blankets, socks,
gloves, scarves, hats, shirts, shoes, belts, lamps, chairs, stools, nails, screws, bolts, bricks, tiles, ropes,
shells, stones, leaves, feathers, kites, dolls, puzzles, crayons, brushes, peaches, onions, carrots, potatoes,
peppers, beans, bananas, cherries, grapes, nuts, cakes, pies, sandwiches, bagels, crackers, chips, magnets, badges,
beads, rings, keys, locks, wheels, batteries, cables, mugs, trays, folders, notebooks, envelopes, clips, paints`);

/** Goods of the shop, singular without an article. */
export const GOODS: readonly string[] = list(`
lamp, desk, chair, stool, shelf, mirror, rug, clock, kettle, toaster, blender, pan, pot, mug, bowl, plate, knife,
cutting board, teapot, vase, candle, pillow, blanket, towel, curtain, basket, bucket, broom, mop, iron, fan, heater,
radio, speaker, phone case, charger, cable, keyboard, mouse, monitor, printer, webcam, headset, tablet stand,
notebook, pen set, backpack, wallet, umbrella, scarf, hat, jacket, raincoat, sweater, belt, watch, water bottle,
lunch box, tent, sleeping bag, flashlight, rope, hammer, drill, saw, wrench, tape measure, ladder, paint roller,
garden hose, rake, shovel, flower pot, bird feeder, bench, grill, picnic table, hammock, bicycle, helmet, bike lock,
skateboard, football, tennis racket, yoga mat, jump rope, chess set, puzzle, kite, guitar, ukulele, drum, flute,
easel, paint box, sketchbook, camera, tripod, photo frame, poster, globe, telescope, magnifier, doorbell, door mat,
coat rack, shoe rack, laundry bag, ironing board, trash can, soap dish, shower head, bath mat, night light, alarm clock`);

/** Groceries: what goes on a shopping list. */
export const GROCERIES: readonly string[] = list(`
milk, bread, butter, cheese, eggs, rice, pasta, flour, sugar, salt, pepper, olive oil, coffee, tea, honey, jam,
apples, bananas, oranges, lemons, grapes, tomatoes, onions, garlic, carrots, potatoes, spinach, beans, mushrooms,
yogurt, cream, oats, cereal, almonds, raisins, chocolate, cookies, crackers, juice, water, soap, shampoo, toothpaste,
tissues, paper towels, light bulbs, batteries, candles, matches, cat food, dog food, bird seed, foil, sponges,
dish soap, trash bags, napkins, chicken, fish, beef, tofu, lentils, corn, peas, cucumbers, celery, ginger, cinnamon,
vinegar, mustard, ketchup, noodles, tortillas, avocados, berries, pears, plums, melons, ice cream, popcorn`);

/** Rooms and outdoor places with lights. */
export const ROOMS: readonly string[] = list(`
kitchen, bedroom, bathroom, living room, office, hallway, garage, basement, attic, pantry, dining room, guest room,
nursery, laundry room, porch, garden, balcony, library, studio, den, playroom, workshop, patio, cellar, sunroom`);

export const COLORS: readonly string[] = list(`
red, blue, green, yellow, black, white, gray, brown, pink, purple, orange, silver, gold, teal, beige, navy`);

export const MUSIC: readonly string[] = list(`
jazz, rock, pop, folk, blues, soul, reggae, country, disco, classical music, piano music, guitar music, opera, swing,
lullabies, dance music, ambient music, choir music, film music, salsa, funk, techno, morning songs, summer songs,
party songs, quiet songs, rain sounds, ocean sounds, bird songs, bossa nova`);

/** Where a thing can be: completes "The keys are …". */
export const SPOTS: readonly string[] = list(`
on the shelf, on the table, under the bed, in the drawer, behind the sofa, in the closet, on the desk, in the car,
near the door, in the red box, under the stairs, on the roof, in the blue bag, beside the lamp, in the shed,
on the chair, in the fridge, under the sink, behind the door, in the basket, on the piano, in the suitcase,
next to the clock, on the window sill, in the toolbox`);

/** Household things that get lost, singular. */
export const BELONGINGS: readonly string[] = list(`
key, passport, remote, charger, wallet, umbrella, ladder, flashlight, map, camera, hammer, notebook, ring, watch,
scarf, suitcase, drill, first aid kit, spare key, garden hose, tent, guitar, bike lock, tape, pencil case, lunch box,
water bottle, photo album, sewing kit, toolbox, phone, tablet, letter, parcel, ticket`);

/** Chores: completes "Ravi …s" in the third person. */
export const CHORES: readonly string[] = list(`
waters the plants, feeds the cat, walks the dog, takes out the trash, cooks dinner, washes the dishes, sweeps the floor,
mows the lawn, cleans the windows, folds the laundry, bakes the bread, collects the mail, sets the table, dusts the shelves,
waters the garden, feeds the fish, brews the coffee, makes the beds, locks the gate, sorts the bottles, irons the shirts,
cleans the stove, fixes the bikes, buys the milk, paints the fence`);

/** What one can be reminded of. */
export const ERRANDS: readonly string[] = list(`
call the dentist, water the plants, feed the cat, walk the dog, take out the trash, pay the rent, buy a present,
pick up the parcel, charge the phone, lock the gate, close the windows, book a table, return the books, send the letter,
wash the car, clean the oven, check the mail, bake a cake, iron the shirts, change the sheets, print the tickets,
call the plumber, order new filters, sign the form, pack the bags, defrost the soup, fix the bike, empty the dishwasher,
renew the passport, visit the neighbor, mow the lawn, pick up the kids, take the medicine, stretch, drink water,
set the table, call the bank, order a taxi, back up the photos, sharpen the knives`);

/** What one can tell somebody. */
export const NEWS: readonly string[] = list(`
dinner is ready, I am late, the bus is late, I am on my way, the keys are on the table, lunch is at noon, the cat is fine,
the parcel is here, I am home, the meeting is over, the car is fixed, we need milk, the train is full, the door is open,
the game starts soon, I found the book, the pool is closed, the soup is hot, the doctor is here, the shop is closed,
practice is over, the tickets are sold out, I will call later, the cake is done, the heating is off, it is snowing,
the guests are here, the movie starts at eight, I left the office, the dog is asleep, the lights are off, we won`);

export const DAYS: readonly string[] = list("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday");

/** Stages of an order. */
export const ORDER_STATES: readonly string[] = list(
  "packed, shipped, delivered, delayed, canceled, waiting for payment",
);
