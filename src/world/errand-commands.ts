/** Commands that belong to no room: clocks, lists, people and the shop. */
import { alarm, counted, message, order, person, reminder, single, timer, type Command } from "./command-draws.ts";
import { frames } from "./templates.ts";

export const ERRAND_COMMANDS: readonly Command[] = [
  {
    tool: "set_timer",
    draw: timer,
    confirm: "Okay, the timer is set for {minutes} minutes.",
    family: frames(`
      !Set a timer for {span}.
      !Start a timer for {span}.
      !Wake me in {span}.
      Timer for {span}.
      !Set the timer to {span}.
      !Tell me after {span}.
      !Count down {span}.
      I need a timer for {span}.
      ~!Set a countdown of {span}.
      !Start the timer, {span}.
      ~!Wake me after {span}.
      !Set a {span} timer.
      !Start a countdown of {span}.
      ~!Start a countdown for {span}.
      I want a timer for {span}.
      !Let me know in {span}.
      ~!Tell me in {span}.
      !Give me a timer for {span}.
      !Ring in {span}.
      Wake me up in {span}, I need a nap.
      I need a nap, wake me in {span}.
      ~I need a countdown of {span}.
      My pizza needs {span}, set a timer.
      The soup needs {span}, start a timer.
      The timer should ring in {span}.
      ~The pizza needs {span}, start the timer.`),
  },
  {
    tool: "set_alarm",
    draw: alarm,
    confirm: "Okay, the alarm is set for {clock}.",
    family: frames(`
      !Set an alarm for {time}.
      !Wake me at {time}.
      !Wake me up at {time}.
      Alarm at {time}.
      !Set the alarm to {time}.
      I have to get up at {time}.
      I need an alarm at {time}.
      !Set the alarm clock for {time}.
      !Let the alarm ring at {time}.
      I need to get up at {time}.
      ~Wake me up tomorrow at {time}.
      !Get me up at {time}.
      ~!Set my alarm to {time}.
      !Set my alarm clock to {time}.
      I want to wake up at {time}.
      ~I want to get up at {time}.
      I have to wake up at {time} tomorrow.
      !Start the alarm at {time}.
      !Let the alarm clock ring at {time}.
      ~!Let my alarm ring at {time}.
      The alarm should ring at {time}.
      Tomorrow I get up at {time}, set an alarm.
      I need to be up at {time}.
      ~I have to be up at {time}, set the alarm.`),
  },
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
      ~We should get {what} next time.`),
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
      !Clear {item} from the shopping list.`),
  },
  {
    tool: "set_reminder",
    draw: reminder,
    confirm: "Okay, I will remind you at {hour}:00.",
    family: frames(`
      !Remind me to {errand} at {time}.
      At {time}, remind me to {errand}.
      !Set a reminder to {errand} at {time}.
      I have to {errand} at {time}, remind me.
      At {time} I have to {errand}, remind me.
      !Set a reminder at {time}: {errand}.
      Do not let me forget to {errand} at {time}.
      I need a reminder to {errand} at {time}.
      Reminder at {time}: {errand}.
      !Set a reminder for {time} to {errand}.
      ~I need to {errand} at {time}, remind me.
      !Remind me at {time} to {errand}.
      !Remind me that I have to {errand} at {time}.
      ~!Remind me at {time} that I have to {errand}.
      I want a reminder at {time} to {errand}.
      !Make a reminder to {errand} at {time}.
      At {time} I need to {errand}, do not let me forget.
      ~At {time} I want to {errand}, do not let me forget.
      ~I want to {errand} at {time}, set a reminder.
      I must not forget to {errand} at {time}.
      !Help me remember to {errand} at {time}.
      ~At {time}, help me remember to {errand}.
      !Tell me to {errand} at {time}.
      At {time}, tell me to {errand}.`),
  },
  {
    tool: "send_message",
    draw: message,
    confirm: "Okay, I told {name}.",
    family: frames(`
      !Tell {name} that {news}.
      !Send {name} a message that {news}.
      !Let {name} know that {news}.
      !Text {name}: {news}.
      !Send a message to {name} that {news}.
      !Write {name} that {news}.
      Message to {name}: {news}.
      {name} should know that {news}.
      !Send a text to {name}: {news}.
      !Send {name} a message: {news}.
      ~!Text {name} that {news}.
      !Message {name} that {news}.
      ~!Message {name}: {news}.
      !Tell {name}: {news}.
      !Write to {name} that {news}.
      !Write {name} a message: {news}.
      ~!Write {name} a text that {news}.
      !Send this to {name}: {news}.
      I want {name} to know that {news}.
      !Inform {name} that {news}.
      Text to {name}: {news}.
      {name} has to know that {news}.
      ~I want to let {name} know that {news}.
      ~I want to tell {name} that {news}.
      !Say to {name} that {news}.
      ~!Say this to {name}: {news}.
      {name} wants a message that {news}.`),
  },
  {
    tool: "call_person",
    draw: person,
    confirm: "Okay, calling {name}.",
    family: frames(`
      !Call {name}.
      !Phone {name}.
      I want to talk to {name}.
      !Give {name} a call.
      !Start a call to {name}.
      !Start a call with {name}.
      !Get {name} on the phone.
      I need to talk to {name} on the phone.
      !Ring {name}.
      I want {name} on the phone.
      ~I need to call {name}.
      !Dial {name}.
      !Call {name} on the phone.
      !Call {name} for me.
      ~!Phone {name} for me.
      I want to call {name}.
      I have to speak to {name}.
      ~I want to speak with {name}.
      ~I want to talk with {name}.
      !Let me talk to {name}.
      ~!Let me speak to {name} on the phone.
      !Get me {name} on the phone.
      !Make a call to {name}.
      ~!Make a phone call to {name}.
      I would like a call with {name}.
      !Give {name} a phone call for me.`),
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
      Has order {order} been sent?`),
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
      I made a mistake, cancel order number {order}.`),
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
      What is the stock of the {item}?`),
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
      ~I will order {what}, add it to my cart.`),
  },
];
