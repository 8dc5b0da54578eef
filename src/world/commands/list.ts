/** Commands about the shopping list. */
import { counted, single, type Command } from "./draws.ts";
import { frames } from "../templates.ts";

export const LIST: readonly Command[] = [
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
      ?When I go shopping, I have to remember {what}.
      !Write {what} down for the next shopping trip.
      !Note {what} on our grocery list.
      ?!Include {what} in the groceries this week.
      !Make sure {what} is on the shopping list today.
      !Jot down {what} for the supermarket.
      !Add to the groceries {what}, if possible.
      !Extend my shopping list with {what} too.
      ?!Enter {what} into the list before we leave for the store.
      !Stick {what} on the list, the kids ate everything.
      !See that {what} gets on the list for dinner.
      !Have {what} written on the shopping list.
      !Remember {what} for when we go grocery shopping.
      ?!Put down some {what}, the list isn't finished yet.
      !Get {what} onto the grocery list again.
      !Add some more {what} to what we must buy at the supermarket.
      !Note that we need {what} from the grocery store.
      !Set {what} at the top of the shopping list.
      ?!Place {what} on the list instead of sweets.
      !Save {what} to our list, I'm shopping this evening.
      !Write on the shopping list that we need {what} for breakfast.
      {what} on the shopping list, please.
      {what} for the list
      ?{what}: add to groceries
      {what} should go on the list, too.
      {what} is missing from the shopping list, please write it down.
      {what}, put that on the list, will you?
      {what} must be bought with the groceries, so note it.
      ?{what} has run out, so onto the list with it.
      {what} belongs on our grocery list.
      {what} next time we shop for food, please note that.
      {what} for the guests, please add that to the list.
      {what} from the supermarket, write it down.
      ?Some {what} would be good on the list, please.
      More {what} for the pantry, note it on the list.
      Our list still needs {what}.
      Shopping list plus {what}, thanks.
      Groceries: {what}, please.
      ?On the list goes {what} as well.
      Also {what} when we go for groceries, write that down.
      Could we have {what} on the shopping list?
      Could you note {what}, please, for the weekly groceries?
      Would you mind adding {what} to the list for me?
      ?Is there a way to get {what} on the grocery list now?
      Will you put {what} with the other groceries on the list?
      Can {what} be added to the list, please?
      Why is {what} still not on the shopping list?
      Did anyone write down {what} for the supermarket? If not, please do.
      ?May I have {what} added to our groceries?
      How about {what} on the shopping list, too?
      I want {what} on the list for this weekend.
      I'd like to buy {what} with the groceries, so note it.
      I would love some {what} for dinner, put it on the list.
      ?I need {what} for the soup, so please list it.
      I'd rather have {what} written down before I forget.
      I forgot to put {what} on the shopping list, please do it.
      We are out of {what}, so add that to the groceries.
      We have to pick up {what} at the grocer's, please note it.
      ?The fridge is empty, so the list needs {what} for us.
      Because guests are coming, the shopping list gets {what} today.
      Let us put {what} on the shopping list.
      Don't let us forget {what} at the supermarket, write it down.`),
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
      ?I changed my mind about {item}, leave it off the list.
      !Take the {item} off the shopping list again.
      !Strike {item} from the shopping list, please.
      ?!Cross out the {item} on our grocery list.
      !Drop {item} from the list of things to buy.
      {item} can come off the list now.
      {item}: off the list
      No {item} on the shopping list, please.
      ?We have plenty of {item} at home, so strike it from the list.
      I already bought {item} today, you can cross that off.
      The {item} should not be on our shopping list any more.
      Could you delete the {item} from the grocery list for me?
      Would you mind taking {item} off our shopping list?
      ?!Scratch the {item}, we do not need to buy any.
      My mother brought us {item} this morning, so clear that from the list.
      We do not need {item} any longer, take that off the list.
      Why is {item} still on the shopping list?
      {item} no longer belongs on the list.
      ?Is there a way to get {item} off the shopping list?
      I would like {item} gone from the list before we leave.
      !Erase the entry for {item}, if possible.
      !Have {item} struck off the grocery list.
      !Make sure no {item} stays on our list, will you?
      ?!See that the {item} disappears from the shopping list.
      Let us leave out the {item} when we go shopping, strike it.
      Forget about the {item} on the list.
      I changed my mind about {item}, it need not be on the list.
      Nobody here eats {item}, so why keep it on the list?
      ?The guests cannot eat {item}, so remove that from the shopping list.
      The fridge is full of {item}, we can cross that off.
      {item} got onto the list by mistake.
      That {item} on the list was a mistake, please undo it.
      Our neighbors gave us some {item}, so the list does not need it.
      ?It is time to cross {item} off, we have it already.
      We need everything on the list except {item}, take that out.
      You may delete {item}, because it is already in the cupboard.
      !Pull the {item} from our shopping list right away.
      Do not keep {item} on the list for this week.
      ?We are not buying {item} after all.
      May I ask you to clear {item} from the list?
      {item} is bought already, so remove it.
      !Shorten the shopping list by the {item}, please.
      The shopping list without {item}, please.
      ?Grocery list: minus {item}
      I would rather not buy any {item} this time, so strike it.
      Please get rid of {item} on my list of groceries.
      I found some {item} in the cellar, so that can go from the list.
      There is still {item} on the list, but we have enough of it.
      ?With the {item} already in the basket, please tick that off.
      Could {item} be taken off the list, please?
      I put {item} on the list twice by accident, so remove it.
      Since we found {item} in the pantry, cross that out.
      The kids do not want {item} for dinner, take it off the list.
      ?Skip the {item} on our shopping list this week.
      !Wipe {item} off the list when you can.
      We could do without {item} on the shopping list, right?
      {item} does not have to be bought any more.
      Somebody wrote {item} on our list, but we do not want it.
      ?!Leave {item} off the list of groceries from now on.
      I wish the {item} were off that list already.
      Cancel the {item} on the shopping list.
      {item}, that entry on the list may be deleted.
      Would it be possible to have {item} removed from our grocery list?
      ?!Tick off {item} on the list, I have it here.`),
  },
];
