/** Commands to a shop: its stock, the cart, orders. */
import { counted, order, single, type Command } from "./command-draws.ts";
import { frames } from "./templates.ts";

export const SHOP_COMMANDS: readonly Command[] = [
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
      I want to track order {order}.
      ?!Trace order {order} for me.
      !Follow up on order number {order}.
      !Give me the status of order {order}.
      !Pull up the tracking for order {order}.
      !Check how far along order {order} is.
      !Locate the package for order {order}.
      !Let me know where order {order} is right now.
      !Get me the delivery date for order {order}.
      !Search for my package with order number {order}.
      !Inform me about the progress of order {order}.
      !Update me on order number {order}.
      !Show the delivery status for order number {order}.
      ?!Find out whether order {order} has shipped.
      !Ask the shop where order {order} is.
      !Say how long order {order} will still take.
      What is the status of order {order}?
      What is happening with my order {order}?
      Any news on order number {order}?
      Did order {order} leave the warehouse yet?
      ?How long will order {order} take to arrive?
      On which day will order {order} be delivered?
      Why is order {order} taking so long?
      Should order {order} not be here by now?
      Has my package arrived yet? The order number is {order}.
      How soon can I expect order {order}?
      What became of order number {order}?
      Will order {order} arrive today?
      Where is my delivery? Its number is {order}.
      What time should order {order} get here?
      Do you know where my order {order} is?
      ?Order {order} still has not arrived, so where is it?
      Order number {order}, where is it now?
      ?Order {order} seems to be late, check on it.
      {order} is my order number, so where is the package?
      ?Nothing has come yet for order {order}, so look it up.
      My package is late, so track number {order}.
      I ordered last week, where is number {order}?
      I am curious how far my order {order} is.
      ?I wonder when order number {order} will get here.
      ?The mail brought nothing, so what about order {order}?
      Tracking for order {order}.
      Delivery status, order number {order}.
      With my order {order}, how are things going?
      ?I would like an update on order {order}.
      I need to know the delivery day of order {order}.`),
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
      We do not want order {order} anymore.
      !Abort order {order}.
      ?!Revoke my order {order}.
      !Withdraw order number {order}.
      !Undo the order with number {order}.
      ?!Scrap order {order}.
      !Void my order, number {order}.
      !Make sure order {order} does not get sent.
      !Tell the shop to cancel order {order}.
      !Get order number {order} canceled.
      !Have my order {order} canceled today.
      ?!Forget my order {order}.
      !Pull back order {order} before it ships.
      !Halt order number {order} before it leaves the warehouse.
      !Delete order {order} from my account.
      !Reverse my order {order}.
      ?I found it cheaper elsewhere, so cancel order {order}.
      I ordered the wrong size, so stop number {order}.
      I clicked the wrong button, so take back order {order}.
      It takes too long, so I am canceling order {order}.
      Somebody gave me one already, so drop order {order}.
      My husband already bought it, so order {order} can be canceled.
      We ordered twice by accident, so call off number {order}.
      I no longer want what I bought with order {order}.
      I have decided against order number {order}.
      I regret my order {order}, so call it off.
      Order {order} is no longer needed.
      ?Order {order} should not be delivered, I changed my mind.
      Order number {order} can be called off.
      Order {order}, cancel it before it ships.
      ?{order} is the order that I want to cancel.
      Number {order} is the wrong order, so stop it.
      Is it possible to cancel order {order}?
      Is it too late to stop order {order}?
      May I take back order number {order}?
      Would it be okay to call off order {order}?
      ?How about canceling my order {order}?
      Am I still able to cancel order number {order}?
      Is there still time to call off order {order}?
      Cancellation for order {order}.
      Order to cancel: {order}.
      ?To be canceled: my order number {order}.
      Never mind about order {order}, I will not need it.
      ?There is no need to send order {order}.
      Nobody wants order {order} anymore, so get rid of it.
      I wish to withdraw from order number {order}.`),
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
      I hope you have the {item}, is there one left?`),
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
      For my desk at work I would like to order {what}.`),
  },
];
