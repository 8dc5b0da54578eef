/** Commands about what is bought: the shopping list, the shop's stock, the cart, orders. */
import { counted, order, single, type Command } from "./command-draws.ts";
import { frames } from "./templates.ts";

export const SHOP_COMMANDS: readonly Command[] = [
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
      At home we need {what}.`),
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
      There is enough {item} at home, remove it from the list.`),
  },
  {
    tool: "track_order",
    draw: order,
    confirm: "Let me look up order {order}.",
    family: frames(`
      Where is my order {order}?
      !Track order {order}.
      When does order {order} come?
      !Look up order {order}.
      Where is order number {order}?
      What about order {order}?
      I am waiting for order {order}.
      Is my order {order} on its way?
      When does my order number {order} come?
      !Look up my order, number {order}.
      ~What about my order {order}?
      ~Where is order {order}?
      ~!Track my order {order}.
      !Track order number {order}.
      !Find order {order}.
      ~!Find my order, number {order}.
      When will order {order} come?
      When will my order {order} be here?
      ~When will order number {order} be here?
      I want to know where order {order} is.
      How far is order {order}?
      Is order {order} here yet?
      Where is my package, order {order}?
      I am still waiting for order number {order}.
      ~Is my package, order {order}, on its way?
      Has order {order} been sent?
      ?!Track my order, number {order}.
      !Track the order {order} for me.
      !Track my package, order {order}.
      !Look up order number {order}.
      !Look up my order {order}.
      !Look where order {order} is.
      ?!Find order number {order}.
      !Find my order {order}.
      !Find out where order {order} is.
      !Find out when order {order} comes.
      ?!Check order {order}.
      !Check on my order {order}.
      !Check where order number {order} is.
      ?!Tell me where order {order} is.
      !Tell me when order {order} comes.
      !Show me where my order {order} is.
      !See where order {order} is.
      ?Where is my order, number {order}?
      Where is my package? It is order {order}.
      When do I get order {order}?
      When do I get my order number {order}?
      When will I get order {order}?
      When will my package come, order {order}?
      Is order number {order} on its way?
      Has my order {order} been sent?
      Has order number {order} been sent yet?
      I want to know when order {order} comes.
      I want to track order {order}.`),
  },
  {
    tool: "cancel_order",
    draw: order,
    confirm: "Okay, order {order} is canceled.",
    family: frames(`
      !Cancel order {order}.
      !Cancel my order {order}.
      I do not want order {order} anymore.
      !Stop order {order}.
      !Cancel order number {order}.
      I want to cancel order {order}.
      !Cancel my order, number {order}.
      !Call off order {order}.
      ~I want to cancel my order {order}.
      I do not need order {order} anymore.
      ~I do not need my order {order} anymore.
      I do not want my order number {order}.
      I changed my mind about order {order}.
      ~I changed my mind, cancel order {order}.
      Order {order} should be canceled.
      !Stop my order {order}.
      ~!Stop order number {order}.
      !Do not send order {order}.
      I would like to cancel order number {order}.
      ~I would like my order {order} canceled.
      Order {order} was a mistake, cancel it.
      I made a mistake, cancel order number {order}.
      !Cancel my order number {order}.
      !Cancel the order with the number {order}.
      !Cancel the order {order} for me.
      !Call off my order {order}.
      ?!Call off order number {order}.
      !Call order {order} off.
      !Stop my order, number {order}.
      !Stop the order {order}, I do not want it.
      !Take back order {order}.
      !Take back my order {order}.
      !Do not send my order {order}.
      !Do not send order number {order}.
      !Drop order {order}.
      !Drop my order number {order}.
      Order {order} has to be canceled.
      Order {order} was wrong, cancel it.
      ?Order number {order} should be canceled.
      Order number {order} was a mistake.
      ?My order {order} was a mistake, cancel it.
      ?No more order {order}, cancel it.
      I would like to cancel order {order}.
      I would like to cancel my order, number {order}.
      ?I have to cancel order {order}.
      I need to cancel my order {order}.
      I do not want order number {order} anymore.
      I do not need order number {order}.
      I changed my mind, I do not want order {order}.
      We do not want order {order} anymore.`),
  },
  {
    tool: "check_stock",
    draw: single("product", "goods"),
    confirm: "Let me check the stock of the {item}.",
    family: frames(`
      Do you have a {item} in stock?
      Is the {item} in stock?
      !Check the stock of the {item}.
      !Check if the {item} is in stock.
      Is there a {item} in stock?
      How many of the {item} are in stock?
      Is there still a {item}?
      Do you still have the {item}?
      Do you still have a {item} in stock?
      !Check if you have a {item}.
      ~Is a {item} in stock?
      Are there any {item} models in stock?
      How many {item} models do you have?
      ~How many {item} models are in stock?
      !Check if there is a {item}.
      ~!Check if there is a {item} in stock.
      !Check if you still have the {item}.
      Do you have the {item}?
      ~Do you still have a {item}?
      !Look if the {item} is in stock.
      I am looking for a {item}, do you have it?
      ~I am looking for the {item}, is it in stock?
      Can I still get the {item}?
      !See if a {item} is in stock.
      What is the stock of the {item}?
      ?!Check the stock for the {item}.
      !Check the stock of a {item}.
      !Check if there is still a {item}.
      ?!Check if you still have a {item} in stock.
      !Check how many of the {item} you have.
      !Check how many of the {item} are in stock.
      !Look if you have the {item}.
      !Look if there is a {item} in stock.
      ?!Look up the stock of the {item}.
      !See if the {item} is in stock.
      !See if you have a {item}.
      !See if there is still a {item} in stock.
      !Find out if the {item} is in stock.
      ?!Tell me if you have a {item} in stock.
      !Tell me if the {item} is in stock.
      !Tell me how many of the {item} you have.
      Is the {item} still in stock?
      Is there any {item} in stock?
      Is there still a {item} in stock?
      Do you have any {item} in stock?
      ?Do you have the {item} in stock?
      Do you still have the {item} in stock?
      How many of the {item} do you have?
      ?How many of the {item} are there?
      Can I get a {item} from you?
      I want to know if the {item} is in stock.
      I need a {item}, is it in stock?
      I would like to know if you have the {item}.`),
  },
  {
    tool: "add_to_cart",
    draw: counted("product", "goods"),
    confirm: "Okay, {what} is in your cart.",
    family: frames(`
      !Add {what} to my cart.
      !Put {what} in the cart.
      I want to order {what}.
      I would like {what} in my cart.
      !Put {what} in my cart.
      {what} in the cart.
      !Order {what}.
      I want {what} in my cart.
      !Add {what} to the cart.
      I would like to order {what}.
      ~!Put {what} into the cart.
      !Put {what} into my cart.
      I want to buy {what} online.
      I need {what} in my cart.
      ~I need {what} in the cart.
      Into the cart: {what}.
      !Order {what} for me.
      My cart needs {what}.
      I want {what} from the shop.
      ~I would like {what} from the shop.
      !Place {what} in my cart.
      ~!Place {what} in the cart for me.
      I will take {what}, put it in the cart.
      ~I will order {what}, add it to my cart.
      !Add {what} to our cart.
      ?!Add {what} to the cart for me.
      !Add {what} to my shopping cart.
      !Put {what} in the shopping cart.
      !Put {what} in my shopping cart.
      !Put {what} in our cart.
      !Put {what} in the cart for me.
      !Place {what} in the cart.
      !Place {what} in my shopping cart.
      !Order me {what}.
      !Order {what} from the shop.
      !Order {what} online.
      ?!Get {what} in my cart.
      !Get {what} into the cart.
      !Take {what} into my cart.
      !Take {what} into the cart for me.
      In the cart, put {what}.
      In my cart: {what}.
      In my cart I want {what}.
      ?Into my cart: {what}.
      For my cart: {what}.
      I want to order {what} online.
      I want {what} in the cart.
      I would like to buy {what} online.
      ?I would like to order {what}, please.
      ?I will take {what}.
      ?I need to order {what}.
      We would like to order {what}.`),
  },
];
