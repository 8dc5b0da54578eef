/** Commands about orders of the shop. */
import { order, type Command } from "./draws.ts";
import { frames } from "../templates.ts";

export const ORDERS: readonly Command[] = [
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
      I need to know the delivery day of order {order}.
      Where is order {order} right now?
      !Track order {order} for me.
      ?!Check the status of order {order}, please.
      What has become of my order {order}?
      Order {order}: where is it?
      Has order number {order} been shipped yet?
      When will order {order} arrive?
      ?!Look up where number {order} is at the moment.
      !Find out how far my order {order} has come.
      I am still waiting for order {order} to arrive.
      Number {order} has not come yet, where is it?
      Could you see whether order {order} is on its way?
      ?Would you mind checking on the delivery of order {order}?
      I would like to know where our order {order} is.
      !Tell me the status of the order with the number {order}.
      How is order {order} coming along?
      Is the parcel for order {order} on the road already?
      ?The package of order {order} should have been here yesterday.
      !Trace the shipment of order {order}, if possible.
      My order {order} from the shop is late, where is it?
      Is there any news of order {order} today?
      Order {order} is taking so long, what is happening with it?
      ?Status of order {order}
      Delivery status, order number {order}, please.
      It has been two weeks, so where is my order {order}?
      What is the latest on order {order} from the shop?
      Why is order {order} still not here?
      ?We ordered a while ago under number {order}, when does it come?
      !Show me the tracking for order {order}.
      The order {order} never reached us, so please track it down.
      Will order {order} be delivered before the weekend?
      Let me know where order {order} has got to.
      ?Can we still expect order {order} this week?
      My wife wonders how long order {order} will take to get here.
      Order number {order} should be here soon, right?
      Did order {order} leave the warehouse already?
      !Give me an update on order {order} when you can.
      ?I need the whereabouts of order {order}.
      The guests come tomorrow, will order {order} be here by then?
      !Follow up on the delivery of number {order} for us.
      Is order {order} packed and sent?
      {order} is my order number, where is the parcel?
      ?My order number is {order}, and I want to know when it comes.
      With order {order}, how many days until it arrives?
      I have heard nothing about order {order} since last week.
      Tracking for {order}, please.
      May I ask how things stand with order {order}?
      ?On which day does the parcel with the order number {order} come?
      !Have a look where that order {order} is, will you?
      !See how my order {order} is doing.
      I wish I knew where order {order} was.
      Our order {order} seems to be lost on the way.
      ?Any idea where order {order} might be?
      The mail has come without our order {order}, where is it?
      Is there a way to track order {order} from here?
      How far away is the shipment for order {order} now?
      I would love to hear when order {order} gets here.
      ?For order {order}, has the shop sent the package out?
      Number {order} is the order I am waiting for, please track it.
      Is my purchase with the number {order} still at the shop?
      Nobody has told me when order {order} is coming.
      Somebody must be home when order {order} comes, so when is that?
      ?!Ask the shop what is holding up order {order}.
      Has anything moved with my shipment {order} since yesterday?`),
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
      I wish to withdraw from order number {order}.
      !Cancel order {order}, please.
      !Call off my order {order} right away.
      ?I do not want order {order} any more.
      We no longer need what we ordered under number {order}.
      Could you cancel the order with the number {order} for me?
      Would you mind calling off order {order} from the shop?
      Order {order}: cancel
      ?Cancellation of order {order}, please.
      I changed my mind about order {order}, so cancel it.
      Is it still possible to cancel order {order} today?
      !Withdraw our order {order} before it is sent.
      !Stop order {order} before they ship it.
      ?I would like to have order {order} canceled.
      The shop need not send order {order} after all.
      !Tell the shop that we do not want order {order} any more.
      My husband placed order {order} by mistake, please cancel that.
      Order number {order} was a mistake, so take it back.
      ?It is too late to use what is in order {order}, call it off.
      !Take back my order {order}, if possible.
      Is there a way to get out of order {order}?
      I would rather not go through with order {order}.
      Number {order} can be canceled, we found it cheaper somewhere else.
      ?We ordered twice, so number {order} must be called off.
      !Have order {order} canceled before the parcel leaves.
      !Make sure order {order} does not go out.
      !See that our order {order} gets canceled, will you?
      Please do not ship order {order}, we do not need it.
      ?Let us cancel order {order} instead of waiting for it.
      I regret order {order} and want to undo it.
      !Undo the order {order} that I placed this morning.
      My order {order} is not needed now.
      May I still withdraw order {order}?
      ?I have to back out of order {order}, please.
      The kids placed order {order} without asking, so stop it.
      !Annul order {order} for us.
      Why is order {order} still open, I wanted it canceled.
      That order {order} was too expensive, get rid of it.
      ?!Drop my order {order} at the shop.
      {order} is the order number, and I want to cancel.
      My order number is {order}, please call the purchase off.
      Since it takes so long, cancel number {order} for me.
      !Put a stop to order {order} now.
      ?It is best to cancel order {order} while we still can.
      I wish to cancel my purchase {order} from the shop.
      Can order {order} be taken back, please?
      The order {order} has the wrong size, so cancel it.
      With order {order} I picked the wrong thing, please call it off.
      ?Forget order {order}, we have one already.
      Scrap order {order}, I bought the thing in town.
      We have decided against order {order}.
      Nobody needs order {order} any longer, so cancel.
      Order {order} may be canceled, because a friend lent us one.
      ?!Revoke order {order} as soon as you can.
      It would be good if order {order} were called off today.
      Our plans changed, so order {order} has to be canceled.
      I ordered too much, please remove the whole order {order}.
      Number {order}: please cancel, we do not want the goods.
      ?No need for order {order} any more, call it off.
      For order {order} I want to cancel before I pay.
      I never meant to place order {order}, can you undo that?
      Could we have order {order} canceled before they pack it?
      !Keep order {order} from being sent, I do not want it.
      ?Order {order} is one that I want to cancel, please.`),
  },
];
