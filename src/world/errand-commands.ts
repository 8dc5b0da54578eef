/** Commands that belong to no room: clocks and people. */
import { alarm, message, person, reminder, timer, type Command } from "./command-draws.ts";
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
      ~The pizza needs {span}, start the timer.
      !Set my timer for {span}.
      !Set my timer to {span}.
      ?!Set a timer of {span}.
      !Start my timer for {span}.
      !Start a {span} timer.
      !Start a timer of {span}.
      ?!Make a timer for {span}.
      !Put a timer on for {span}.
      !Put {span} on the timer.
      !Run a timer for {span}.
      !Let the timer run for {span}.
      !Let the timer ring in {span}.
      !Give me a sign in {span}.
      !Give me {span} on the timer.
      !Let me know after {span}.
      !Ring after {span}.
      ?!Wake me up in {span}.
      !Wake me up after {span}.
      !Tell me when {span} are over.
      !Let me know when {span} are over.
      In {span}, tell me.
      In {span}, ring the timer.
      ?For {span}, set a timer.
      ?I would like a timer for {span}.
      I have {span}, start the timer.
      The eggs need {span}, set a timer.
      The cake is in the oven, {span} on the timer.
      I want to sleep for {span}, wake me then.`),
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
      ~I have to be up at {time}, set the alarm.
      !Set my alarm for {time}.
      !Set my alarm clock for {time}.
      !Set an alarm at {time}.
      !Set the alarm at {time}.
      !Set the alarm for {time}.
      !Set an alarm clock for {time}.
      !Make an alarm for {time}.
      !Make the alarm ring at {time}.
      ?!Put the alarm on {time}.
      !Put my alarm clock on {time}.
      !Give me an alarm at {time}.
      !Wake me up at {time} tomorrow.
      !Wake me tomorrow at {time}.
      !Get me out of bed at {time}.
      !Ring the alarm at {time}.
      !Ring at {time} tomorrow.
      ?Alarm for {time}.
      Alarm clock to {time}.
      At {time}, wake me up.
      ?At {time} I have to get up.
      At {time} I need an alarm.
      ?Tomorrow, wake me at {time}.
      I would like an alarm at {time}.
      ?I want the alarm at {time}.
      I want an alarm for {time}.
      ?My alarm should ring at {time}.
      I have to be out of bed at {time}.
      Tomorrow I have to be up at {time}, wake me.`),
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
      At {time}, tell me to {errand}.
      !Remind me at {time} that I want to {errand}.
      !Remind me, I have to {errand} at {time}.
      !Remind me that I need to {errand} at {time}.
      !Set a reminder that I have to {errand} at {time}.
      !Set a reminder for {time}: {errand}.
      ?!Set me a reminder to {errand} at {time}.
      !Set me a reminder for {time} to {errand}.
      !Make a reminder for {time} to {errand}.
      ?!Make a reminder at {time}: {errand}.
      !Make me a reminder to {errand} at {time}.
      ?!Give me a reminder to {errand} at {time}.
      !Give me a reminder at {time} to {errand}.
      !Let me know at {time} that I have to {errand}.
      !Tell me at {time} to {errand}.
      !Tell me at {time} that I have to {errand}.
      !Help me remember at {time} to {errand}.
      ?!Make sure I {errand} at {time}.
      At {time}, set a reminder to {errand}.
      At {time}, remind me that I have to {errand}.
      At {time} I have to {errand}, set a reminder.
      At {time} I must not forget to {errand}.
      ?Reminder for {time}: {errand}.
      I want to {errand} at {time}, remind me.
      I need to {errand} at {time}, do not let me forget.
      I would like a reminder to {errand} at {time}.
      ?I have to remember to {errand} at {time}.
      I should {errand} at {time}, remind me.
      Do not let me forget at {time} to {errand}.`),
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
      {name} wants a message that {news}.
      !Tell {name} this: {news}.
      !Send {name} this: {news}.
      !Send {name} the message that {news}.
      !Send {name} a text that {news}.
      !Send {name} a text: {news}.
      ?!Send a message to {name}: {news}.
      ?!Send a text to {name} that {news}.
      !Send word to {name} that {news}.
      !Let {name} know: {news}.
      !Let {name} know this: {news}.
      !Write a message to {name}: {news}.
      !Write a message to {name} that {news}.
      !Write a text to {name} that {news}.
      !Write to {name}: {news}.
      !Write {name}: {news}.
      !Write {name} a message that {news}.
      !Text to {name} that {news}.
      !Text {name} this: {news}.
      !Message {name} this: {news}.
      ?!Give {name} the message that {news}.
      ?!Inform {name}: {news}.
      For {name}: {news}.
      A message for {name}: {news}.
      ?{name} should hear that {news}.
      {name} must know that {news}.
      {name} needs to know that {news}.
      I want to send {name} a message that {news}.
      I need to tell {name} that {news}.`),
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
      !Give {name} a phone call for me.
      !Call up {name}.
      !Call {name} now.
      !Call {name} at home.
      !Call {name} up for me.
      !Phone {name} now.
      !Phone {name} at home.
      !Ring {name} for me.
      !Ring up {name}.
      !Dial {name} for me.
      !Dial the number of {name}.
      ?!Call the number of {name}.
      !Give {name} a ring.
      !Give {name} a call for me.
      !Get {name} on the line.
      !Start a phone call with {name}.
      !Start a phone call to {name}.
      ?!Make a call to {name} for me.
      !Place a call to {name}.
      !Let me speak to {name}.
      !Let me talk to {name} on the phone.
      I would like to talk to {name}.
      ?I would like to call {name}.
      ?I want to phone {name}.
      I want to speak to {name} on the phone.
      ?I need {name} on the phone.
      I have to call {name}.
      I have to talk to {name} on the phone.
      We need to call {name}.`),
  },
];
