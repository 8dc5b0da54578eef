/** Commands about the shop's goods. */
import { counted, single, type Command } from "./draws.ts";
import { frames } from "../templates.ts";

export const SHOP: readonly Command[] = [
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
      I would like to know if you have the {item}.
      !Verify whether the {item} is available.
      !Search your stock for the {item}.
      !Look up the stock level of the {item}.
      !Count how many of the {item} are left.
      !Ask the warehouse if the {item} is there.
      !Let me know whether the {item} can still be bought.
      !Show me how many of the {item} remain.
      !Find out whether the {item} is sold out.
      ?!Find out how many of the {item} are left.
      !Have a look to see whether a {item} is left.
      !Take a look in the warehouse for a {item}.
      ?!Check the availability of the {item}.
      !Give me the stock count for the {item}.
      !Say whether the shop has the {item}.
      !Go see if the shelf still has a {item}.
      ?Is the {item} available right now?
      Is the {item} sold out already?
      Are you out of the {item}?
      Does the shop carry a {item} at the moment?
      ?Has the shop got the {item} on the shelf?
      Has the {item} come back in stock yet?
      What about the {item}, is it available?
      Would there be a {item} left for me?
      Are there enough of the {item} left?
      How much stock is there of the {item}?
      How many pieces of the {item} do you still have?
      Did you run out of the {item}?
      Have you got a {item} on the shelf?
      When I come by today, will the {item} be there?
      ?Will I find a {item} in your store?
      ?The {item}, is it still available?
      The {item} looks nice, but is it in stock?
      My old one broke, do you have a {item}?
      For my new flat I need to know if the {item} is available.
      Before I drive over, is the {item} in stock?
      ?Before I order, how many of the {item} are there?
      I wonder if there is a {item} left.
      I am thinking about the {item}, is it available?
      I was told the {item} is sold out, is that true?
      My sister wants the {item}, do you still have one?
      ?Stock of the {item}?
      ?Availability of the {item}.
      Any {item} left in the warehouse?
      I would like to hear how many of the {item} are left.
      I hope you have the {item}, is there one left?
      !Check whether the shop has a {item} in stock.
      !Look up if the {item} is in stock, please.
      ?Does the shop still have that {item}?
      Is there any {item} left in the shop?
      {item}: in stock?
      Any {item} in stock at the moment?
      Stock of the {item}, please.
      ?I wonder whether you carry a {item} in your shop.
      Do you sell a {item} in the shop?
      Is a {item} to be had from the shop?
      Could you see if there is a {item} on the shelves?
      Would you mind checking the stock for the {item}?
      ?!Find out if we could get a {item} from the shop.
      !Tell me if the {item} is sold out.
      I am looking for a {item}, do you have one?
      We might need a {item}, does the shop have any?
      My {item} broke, does the shop still have one?
      ?The {item} was sold out last week, is it back?
      How many pieces of the {item} are left in stock?
      I would like to know whether the {item} is available.
      Before I drive over, is there a {item} in the shop?
      Is the {item} still for sale, or is it gone?
      ?Can I get a {item} in your shop today?
      Let me know whether a {item} is in the warehouse.
      !See if that {item} is still available, will you?
      !Have a look in the stock for a {item}.
      {item} available in the shop?
      ?A {item}, is that something the shop has?
      The {item} from the advertisement, is it still in stock?
      Is it possible to get a {item} at the shop just now?
      My mother asks if the shop has a {item} for her.
      Where can I see whether the {item} is in stock?
      ?What about the {item}, is it sold out already?
      Is there a chance that the shop has a {item}?
      Does your shop offer any kind of {item}?
      !Ask the warehouse if a {item} is there.
      Why is the {item} still not in stock?
      ?When will the {item} be in stock again?
      I hope the {item} is in stock, could you check?
      May I ask if you keep a {item} in stock?
      !Make sure the {item} is in stock before we drive to the shop.
      With the {item}, how does the stock look?
      ?Have you got a {item} in the store?
      Is even one {item} left, or are they all sold?
      We would drive to the shop if the {item} were in stock.
      Our neighbor wants to know if you stock a {item}.
      The shop had a nice {item}, is it still there?
      ?Is your {item} in stock, or does it have to be ordered in?
      The website does not say if the {item} is in stock.
      Availability of the {item} in the shop?
      !Verify that the shop still has the {item}, if possible.
      Did the shop sell the last {item} already?
      ?Would a {item} be available before the weekend?
      Somebody said the shop has a {item}, is that right?
      !Search the inventory for a {item}, please.
      Has the shop run out of the {item} again?
      I only want to know if there is a {item} in stock.
      ?Are there enough of the {item} in stock for us all?
      You do have a {item} in the shop, right?`),
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
      We would like to order {what}.
      !Drop {what} into my basket.
      !Toss {what} into the cart.
      !Load {what} into my shopping cart.
      !Include {what} in my cart.
      !Move {what} to the cart.
      !Pack {what} into my online cart.
      !Buy {what} for me in the online shop.
      !Save {what} in my cart.
      !Purchase {what} from the online store.
      !Throw {what} in the basket.
      ?!Make sure {what} ends up in my cart.
      !Let my cart include {what}.
      ?!Fill my cart with {what}.
      !Slip {what} into our shopping cart.
      !Get me {what} from the online shop.
      ?My birthday is soon, so I am ordering {what}.
      The old one is broken, so put {what} into the basket.
      ?We are moving soon and want to order {what}.
      I have made up my mind, {what} goes into the cart.
      I like it, so {what} should go in my cart.
      I decided to buy {what} from your shop.
      I am going to take {what}, so add that to the cart.
      ?I will have {what}, and it should go in the basket.
      Let us order {what} for the office.
      ?It is time to order {what} online.
      {what} should be in my shopping cart.
      {what} for my basket.
      {what}, straight into the cart.
      {what} is what I want to order.
      ?{what} has to get into our cart.
      Shopping cart, add {what}.
      To the cart, add {what}.
      New in my cart: {what}.
      Something for the shopping cart: {what}.
      ?My order today: {what}.
      May I have {what} added to my cart?
      May we order {what} from your store?
      Is it possible to put {what} into my basket?
      ?How about adding {what} to our shopping cart?
      Would it be okay to order {what} now?
      There should be {what} in my cart.
      My basket is missing {what}.
      I just got paid, so order {what}.
      Before I check out, {what} must be in the cart.
      For my desk at work I would like to order {what}.
      !Add {what} to my cart, please.
      !Order {what} from the shop for me.
      ?!Place {what} in our shopping cart, will you?
      {what} into the cart, please.
      {what}: add to cart
      I would like to buy {what} from the shop.
      I will take {what}, please.
      ?Could you add {what} to the cart for us?
      Would you mind putting {what} in my cart?
      We want to order {what} today.
      Let us buy {what} from your shop.
      !Have {what} added to our cart.
      ?!Make sure {what} ends up in the cart before I pay.
      !See that {what} gets into my shopping cart.
      Is there a way to order {what} from here?
      May I have {what} in my cart, please?
      I decided on {what}, so put that in the cart.
      ?The price is good, so I will buy {what} now.
      My mother would love {what}, so order it from the shop.
      Shop order: {what}
      {what} should go in the cart too.
      {what} is what I want to order from the shop.
      ?!Drop {what} into the cart before it is sold out.
      !Throw {what} in the cart as well.
      I am ready to order {what}.
      It is time to order {what} from the shop.
      Why is {what} still not in my cart?
      ?The cart still lacks {what}, so please add that.
      I would love to have {what} from your shop.
      We need {what} for the new house, so order from the shop.
      Could we order {what} right away?
      With {what} in the cart, I would be done shopping.
      ?!Purchase {what} for us when you can.
      Please let me buy {what}, if possible.
      !Include {what} in my order.
      I wish to purchase {what} in the shop.
      The old one is broken, so order {what} instead.
      ?You can put {what} down on my order at the shop.
      I choose {what}, that goes in the cart.
      For my cart, {what}, please.
      To my order please add {what} too.
      Can {what} be added to the cart?
      ?{what} would make a good gift, put that in my cart.
      I meant to have {what} in the cart as well.
      !Set {what} aside for me in the shopping cart.
      My wife asked me to order {what} from the shop.
      I forgot to add {what} to our cart.
      ?Nothing else, only {what} in the cart.
      Do not let me leave the shop without {what} in my cart.
      !Load {what} into the cart, then I will pay.
      !Buy {what} before the sale is over.
      We have settled on {what}, so go ahead and order.
      ?I need {what} delivered from the shop.
      How can I get {what} into my cart?
      I want {what} sent to us from the shop.
      The cart needs {what} before we check out.
      There is room in the budget for {what}, so buy it.
      ?Would it be possible to purchase {what} through you?
      I have saved up for {what}, please put in the order.
      Our cart is empty, start with {what}, please.
      !Pick out {what} in the shop and add it to my cart.`),
  },
];
