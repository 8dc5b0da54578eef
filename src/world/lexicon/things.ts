/** The world's things and places: goods, rooms, music, stores, spots. Packed; `entities.ts` holds some out. */

import { list } from "./list.ts";

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
coat rack, shoe rack, laundry bag, ironing board, trash can, soap dish, shower head, bath mat, night light, alarm clock,
coffee grinder, rolling pin, whisk, ladle, colander, salad spinner, corkscrew, apron, pepper mill, cake stand,
wine cooler, microwave, rice cooker, hair dryer, razor, comb, toothbrush, sofa, wardrobe, bookcase, mattress, duvet,
vacuum cleaner, router, projector, trampoline, surfboard, scooter, sled, compass, screwdriver, chisel, wheelbarrow,
lawn mower, violin, harmonica, trumpet, wall calendar`);

/** Groceries: what goes on a shopping list. */
export const GROCERIES: readonly string[] = list(`
milk, bread, butter, cheese, eggs, rice, pasta, flour, sugar, salt, pepper, olive oil, coffee, tea, honey, jam,
apples, bananas, oranges, lemons, grapes, tomatoes, onions, garlic, carrots, potatoes, spinach, beans, mushrooms,
yogurt, cream, oats, cereal, almonds, raisins, chocolate, cookies, crackers, juice, water, soap, shampoo, toothpaste,
tissues, paper towels, light bulbs, batteries, candles, matches, cat food, dog food, bird seed, foil, sponges,
dish soap, trash bags, napkins, chicken, fish, beef, tofu, lentils, corn, peas, cucumbers, celery, ginger, cinnamon,
vinegar, mustard, ketchup, noodles, tortillas, avocados, berries, pears, plums, melons, ice cream, popcorn,
pancake mix, maple syrup, brown lentil soup, lettuce, cabbage, broccoli, cauliflower, zucchini, pumpkin, asparagus,
radishes, leeks, basil, parsley, oregano, paprika, curry powder, turkey slices, salmon, tuna, shrimp, bacon, sausages,
muesli, granola, walnuts, cashews, hazelnuts, peaches, apricots, cherries, mangoes, limes, kiwis, baking powder, yeast,
vanilla, mayonnaise, salsa, hummus, olives, pickles, pretzels, lollipops, lemonade, detergent, deodorant, bleach,
toilet rolls`);

/** Rooms and outdoor places with lights. */
export const ROOMS: readonly string[] = list(`
kitchen, bedroom, bathroom, living room, office, hallway, garage, basement, attic, pantry, dining room, guest room,
nursery, laundry room, porch, garden, balcony, library, studio, den, playroom, workshop, patio, cellar, sunroom,
kids room, utility room, storage room, music room, game room, sewing room, reading corner, entrance, stairway, loft,
terrace, driveway, backyard, greenhouse, shed, carport, gym, sauna, conservatory, lobby, study, closet, breakfast nook,
boiler room, pool house, veranda, courtyard, craft room`);

export const COLORS: readonly string[] = list(`
red, blue, green, yellow, black, white, gray, brown, pink, purple, orange, silver, gold, teal, beige, navy`);

export const MUSIC: readonly string[] = list(`
jazz, rock, pop, folk, blues, soul, reggae, country, disco, classical music, piano music, guitar music, opera, swing,
lullabies, dance music, ambient music, choir music, film music, salsa, funk, techno, morning songs, summer songs,
party songs, quiet songs, rain sounds, ocean sounds, bird songs, bossa nova,
heavy metal, hip hop, gospel, flamenco, tango, samba, polka, bluegrass, ska, grunge, trance, drum and bass,
violin concertos, harp tunes, flute sonatas, string quartets, brass bands, big band hits, video game themes, musicals,
christmas carols, sea shanties, road trip songs, love ballads, forest sounds, thunder sounds, white noise, whale calls,
campfire songs, marching tunes, sitar ragas, accordion waltzes, workout beats`);

/** Where a thing can be: completes "The keys are …". */
export const SPOTS: readonly string[] = list(`
on the shelf, on the table, under the bed, in the drawer, behind the sofa, in the closet, on the desk, in the car,
near the door, in the red box, under the stairs, on the roof, in the blue bag, beside the lamp, in the shed,
on the chair, in the fridge, under the sink, behind the door, in the basket, on the piano, in the suitcase,
next to the clock, on the window sill, in the toolbox,
on the counter, on the bench, under the rug, under the pillow, in the cupboard, in the bathtub, in the freezer,
in the green bowl, in the backpack, in the mailbox, in the tall vase, in the wooden chest, in the coat pocket,
behind the curtain, behind the television, behind the books, beside the stove, beside the bed frame, near the window,
near the fireplace, next to the phone, next to the mirror, next to the toaster, on top of the wardrobe,
on the night stand, on the stairs, on the hook, under the bench, in the washing machine, in the flower pot,
at the front gate, in the garden chair`);

/** Household things that get lost, singular. */
export const BELONGINGS: readonly string[] = list(`
key, passport, remote, charger, wallet, umbrella, ladder, flashlight, map, camera, hammer, notebook, ring, watch,
scarf, suitcase, drill, first aid kit, spare key, garden hose, tent, guitar, bike lock, tape, pencil case, lunch box,
water bottle, photo album, sewing kit, toolbox, phone, tablet, letter, parcel, ticket,
backpack, laptop, calculator, screwdriver, hairbrush, lipstick, necklace, bracelet, glove, hat, sweater, raincoat,
sleeping bag, compass, whistle, tennis ball, yoga mat, thermos, corkscrew, can opener, recipe book, diary, postcard,
receipt, library card, credit card, train pass, bicycle pump, lighter, stapler, glue stick, paintbrush, chess board,
harmonica, extension cord`);

/** Chores: completes "Ravi …s" in the third person. */
export const CHORES: readonly string[] = list(`
waters the plants, feeds the cat, walks the dog, takes out the trash, cooks dinner, washes the dishes, sweeps the floor,
mows the lawn, cleans the windows, folds the laundry, bakes the bread, collects the mail, sets the table, dusts the shelves,
waters the garden, feeds the fish, brews the coffee, makes the beds, locks the gate, sorts the bottles, irons the shirts,
cleans the stove, fixes the bikes, buys the milk, paints the fence,
wipes the counter, scrubs the bathtub, empties the dishwasher, peels the potatoes, chops the wood, rakes the leaves,
shovels the snow, polishes the silver, vacuums the carpet, mops the tiles, changes the bulbs, hangs up the coats,
trims the hedge, picks the apples, brushes the horse, cleans the cage, makes the salad, packs the lunches,
airs the rooms, winds the clocks, lights the fire, stirs the soup, locks the doors, sews the curtains,
carries the boxes, fills the kettle, writes the shopping list`);

/** What one can be reminded of. */
export const ERRANDS: readonly string[] = list(`
call the dentist, water the plants, feed the cat, walk the dog, take out the trash, pay the rent, buy a present,
pick up the parcel, charge the phone, lock the gate, close the windows, book a table, return the books, send the letter,
wash the car, clean the oven, check the mail, bake a cake, iron the shirts, change the sheets, print the tickets,
call the plumber, order new filters, sign the form, pack the bags, defrost the soup, fix the bike, empty the dishwasher,
renew the passport, visit the neighbor, mow the lawn, pick up the kids, take the medicine, stretch, drink water,
set the table, call the bank, order a taxi, back up the photos, sharpen the knives,
feed the rabbits, clean the aquarium, order a birthday cake, buy some flowers, pick up the laundry, drop off the keys,
pay the phone bill, cancel the gym, book a flight, reserve a hotel, renew the insurance, call the landlord,
call the school, write to grandma, send the invoice, scan the contract, print the photos, water the tomatoes,
rake the leaves, sweep the stairs, vacuum the car, wash the curtains, clean the fridge, empty the trash,
fill up the tank, check the tires, charge the camera, update the laptop, change the password, read the report,
finish the homework, practice the piano, go for a run, meditate, take a break, eat some fruit, start the dishwasher,
hang up the laundry, preheat the oven, thaw the chicken, marinate the fish, wrap the presents, pack the suitcase,
meet the teacher, visit the museum, go to the bank, look at the tires, turn on the dishwasher, turn down the heating,
ask the neighbor for the ladder, bring flowers to grandma, take the dog to the vet, get bread for dinner,
put the keys on the table, give the book to the teacher, look after the rabbits, make some soup, ask for the report,
send the photos to the landlord, call about the invoice, add salt to the soup, wait for the plumber, find my passport,
wake the kids, work on the homework, pay for the flight, switch off the oven, write my report, tell the school,
read to the kids, play the piano, put out the trash, come to the rehearsal, get off the sofa, stop the dishwasher`);

/** What one can tell somebody. */
export const NEWS: readonly string[] = list(`
dinner is ready, I am late, the bus is late, I am on my way, the keys are on the table, lunch is at noon, the cat is fine,
the parcel is here, I am home, the meeting is over, the car is fixed, we need milk, the train is full, the door is open,
the game starts soon, I found the book, the pool is closed, the soup is hot, the doctor is here, the shop is closed,
practice is over, the tickets are sold out, I will call later, the cake is done, the heating is off, it is snowing,
the guests are here, the movie starts at eight, I left the office, the dog is asleep, the lights are off, we won,
breakfast is ready, the pizza is cold, the coffee is hot, I am running late, the train is late, I am almost there,
I missed the bus, the plane has landed, the taxi is here, the plumber is here, the baby is asleep, the kids are home,
the dog is sick, the cat is on the roof, the letter has arrived, the keys are lost, the phone is broken,
the printer works again, the car will not start, the road is blocked, the bank is closed, the library is open,
the museum is free today, the concert is canceled, the lesson is over, the party starts at seven,
the rehearsal is at five, the exam went well, I got the job, I passed the test, I lost my wallet, I found the keys,
I bought the bread, I fed the fish, I will be there soon, I will stay longer, we are at the beach, we are leaving now,
we lost the game, we have no milk, it is raining, it is very cold, the window is open, the garden gate is locked,
the water is off, the power is back, my bus is full, my phone is lost, your parcel is here, our plane is late,
nobody is home, there is no milk left, my meeting ends at six, dinner at noon is canceled, you won the game,
your keys are in the car, all lights are off, my bag is in the office, it starts to rain, she is on her way,
he missed the train, our guests are leaving, everybody is asleep, somebody is at the door, this road is blocked,
your lesson starts at five, now it is snowing, no bread is left, everything is fine, one window is open`);

export const DAYS: readonly string[] = list("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday");

/** Stages of an order. */
export const ORDER_STATES: readonly string[] = list(
  "packed, shipped, delivered, delayed, canceled, waiting for payment",
);
