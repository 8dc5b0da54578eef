/** Commands about the shopping list. */
import { counted, single, type Command } from "./command-draws.ts";
import { frames } from "./templates.ts";

export const LIST_COMMANDS: readonly Command[] = [
  {
    tool: "add_to_list",
    draw: counted("item", "groceries"),
    confirm: "Okay, {what} is on the list.",
    family: frames(`
      !Add {what} to the shopping list.
      !Put {what} on the shopping list.
      We need {what}.
      !Add {what} to my list.
      !Put {what} on my list.
      We are out of milk, so add {what}.
      I need to buy {what}.
      !Write {what} on the list.
      {what} on the shopping list.
      We need to buy {what}.
      ~!Add {what} to our list.
      !Put {what} on our shopping list.
      !Write {what} on my shopping list.
      ~!Write {what} on our shopping list.
      I have to buy {what}.
      We have to get {what}.
      ~We have to buy {what}.
      Our list needs {what}.
      I need {what} from the store.
      ~We need {what} from the store.
      I want {what} on the shopping list.
      !Get {what} on the list.
      Next time we should buy {what}.
      ~We should get {what} next time.
      !Add {what} to the list.
      !Add {what} to my shopping list.
      !Add {what} to our shopping list.
      ?!Add {what} to what we need to buy.
      !Put {what} on the list.
      !Put {what} on our list.
      !Put {what} on my shopping list.
      !Put {what} on the list for me.
      !Write down {what} on the shopping list.
      !Write down {what}.
      !Note {what} on the shopping list.
      !Note {what} for the shopping list.
      ?!Get {what} on our shopping list.
      !Have {what} on the shopping list.
      The list needs {what}.
      ?The shopping list should have {what}.
      On the list: {what}.
      ?On the shopping list, put {what}.
      For the shopping list: {what}.
      Shopping list: {what}.
      ?I would like {what} on the list.
      I want {what} on my list.
      I need {what} on the shopping list.
      ?We need {what} on the list.
      We want {what} on our list.
      Next time I need {what} from the store.
      At home we need {what}.
      !Jot {what} down for the next supermarket trip.
      ?!Include {what} in the grocery list.
      !Save {what} to the shopping list.
      !Remember {what} for our next shopping trip.
      ?!Make sure {what} gets onto the shopping list.
      !Enter {what} in the grocery list.
      !Stick {what} on the grocery list.
      !Throw {what} onto our grocery list.
      !List {what} with the other groceries.
      !Let the shopping list include {what}.
      !Extend our shopping list with {what}.
      !Update the grocery list with {what}.
      !Mark {what} as something we need to buy.
      !Keep {what} in mind for the shopping list.
      !Pop {what} onto the list before I forget.
      Our fridge is empty, so {what} should go on the list.
      ?The kids ate everything, so we have to buy {what}.
      I am cooking tonight and still need {what}.
      ?Guests are coming, so let us get {what} too.
      ?Before I forget, {what} has to be on the shopping list.
      Somebody has to pick up {what} at the supermarket.
      Let us buy {what} when we go shopping.
      ?There should be {what} on my grocery list.
      It would be good to have {what} on our list.
      Do not let me forget to buy {what}.
      {what} should go on the grocery list.
      {what} for the list, because we have run out.
      {what}, that goes on our shopping list.
      ?Groceries to buy: {what}.
      One thing for the grocery list: {what}.
      New on the shopping list: {what}.
      To buy at the supermarket: {what}.
      Grocery list, add {what}.
      On my shopping list, write {what}.
      ?Onto the list goes {what}.
      May I have {what} on the shopping list?
      How about putting {what} on our grocery list?
      Is it possible to get {what} onto the list?
      Would it be okay to add {what} to the groceries?
      Shall we put {what} on the shopping list?
      My recipe calls for {what}, so note that on the list.
      For breakfast tomorrow we are missing {what}.
      The shelf is empty, so next time we must buy {what}.
      I could not find {what} at home, add it to the list.
      ?When I go shopping, I have to remember {what}.`),
  },
  {
    tool: "remove_from_list",
    draw: single("item", "groceries"),
    confirm: "Okay, {item} is off the list.",
    family: frames(`
      !Remove {item} from the shopping list.
      !Take {item} off the list.
      We do not need {item}.
      !Delete {item} from my list.
      !Take {item} off the shopping list.
      I do not need {item} on the list.
      !Remove {item} from my list.
      !Delete {item} from the shopping list.
      ~!Delete {item} from our list.
      !Take {item} off our shopping list.
      !Cross {item} off the list.
      ~!Cross {item} off our shopping list.
      !Strike {item} from the list.
      I do not need {item}.
      ~I do not need {item} anymore.
      We have enough {item}, take it off the list.
      I already have {item}, remove it from the list.
      ~We already have {item}, delete it from the list.
      We do not need {item} anymore.
      {item} can come off the list.
      ~I do not want {item} on my list.
      We do not want {item} on the shopping list.
      No {item} on the list, please.
      !Clear {item} from the shopping list.
      !Remove {item} from the list.
      !Remove {item} from our list.
      !Remove {item} from my shopping list.
      ?!Take {item} off my list.
      !Take {item} off our list.
      !Take {item} from the shopping list.
      ?!Delete {item} from the list.
      !Delete {item} from my shopping list.
      ?!Strike {item} off the shopping list.
      !Strike {item} from my list.
      !Cross {item} off my list.
      !Cross {item} off the shopping list.
      ?!Clear {item} from the list.
      !Clear {item} from my list.
      !Drop {item} from the list.
      !Drop {item} from the shopping list.
      !Get {item} off the list.
      !Get {item} off our shopping list.
      From the list, remove {item}.
      Off the list: {item}.
      ?{item} should come off the list.
      ?{item} should not be on the list.
      I do not want {item} on the shopping list.
      I do not need {item} from the store.
      We do not have to buy {item}.
      I bought {item}, take it off the list.
      We bought {item}, delete it from the list.
      There is enough {item} at home, remove it from the list.
      !Scratch {item} from the shopping list.
      !Erase {item} from our list.
      !Wipe {item} off the grocery list.
      !Leave {item} off the shopping list.
      !Take {item} out of the grocery list.
      ?!Pull {item} from our shopping list.
      ?!Cut {item} from the list.
      !Remove the entry for {item} from the shopping list.
      !Kick {item} off my shopping list.
      !Forget about buying {item}.
      ?!Make sure {item} is no longer on the list.
      !Tick {item} off our grocery list.
      !Let {item} disappear from the grocery list.
      !Skip {item} on the shopping list.
      !Eliminate {item} from the grocery list.
      The cupboard is full of {item}, so strike it from the list.
      My sister already brought {item}, so cross that off.
      Nobody here eats {item}, so take it off the list.
      Since we still have {item}, remove that from the list.
      I found {item} in the pantry, so it can leave the list.
      ?There is no need to buy {item} after all.
      It makes no sense to have {item} on the list.
      ?{item} should not be on our shopping list.
      {item} is no longer needed, so delete it.
      {item} was on the list by mistake, get rid of it.
      ?{item} has already been bought, so remove it.
      {item}: already bought, off the list.
      {item} must go from the grocery list.
      Why is {item} still on the list? Remove it.
      May I have {item} taken off the shopping list?
      ?How about removing {item} from our grocery list?
      Is it possible to get {item} off my list?
      Would it be okay to cross out {item}?
      Shall we take {item} off the grocery list?
      What is {item} doing on the list? Delete it.
      Let us not buy {item} this week.
      I will not be needing {item}, so clear it from the list.
      The list should no longer include {item}.
      I would rather have the list without {item}.
      Someone wrote {item} on the list, but we have it already.
      Never mind about {item}, strike it from the list.
      ?We ended up getting {item} today, so it can come off.
      Grocery list, remove {item}.
      To be removed from the shopping list: {item}.
      ?I changed my mind about {item}, leave it off the list.`),
  },
];
