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
      I want to sleep for {span}, wake me then.
      ?How about a countdown of {span}?
      The pasta has to boil {span}, time it.
      ?!Time {span} for me.
      !Time the rice for {span}.
      !Beep when {span} have passed.
      !Wake me from my nap in {span}.
      Kitchen timer, {span}.
      {span} on the clock, starting now.
      ?My tea has to steep {span}, so start the timer.
      After {span} I want to hear the timer.
      We play for {span}, then let it ring.
      !Make the timer last {span}.
      !Use the timer for the next {span}.
      I am lying down, get me up after {span}.
      My walk should take {span}, let the timer run.
      The bread must bake for {span}, so watch the clock.
      !Begin a countdown from {span}.
      Countdown, {span}.
      A timer with {span} would help me.
      I must take the cake out in {span}, so ring then.
      ?Because the potatoes cook {span}, I need the timer.
      Once {span} have gone by, give me a [signal|sign].
      !Sound the timer once {span} are up.
      !Keep track of {span} for my workout.
      The kids may play {span}, then the timer should ring.
      ?!Get me back to the kitchen in {span}.
      May I have a timer, just {span}?
      Timer on, {span}, the chicken is in the oven.
      The dough should rest {span}, watch the time for me.
      !Measure {span} with the timer.
      !Warn me as soon as {span} are over.
      !Have the timer go off in {span}.
      I only want to rest {span}, ring after that.
      ?We have a break of {span}, so set the timer.
      Exactly {span} from now, the timer must go off.
      Would a timer lasting {span} be possible?
      My break takes {span}, so count down.
      !Alert me {span} from now.
      ?The meat is on the grill, time it for {span}.
      ?I am tired, wake me once {span} have passed.
      What I need is a countdown over {span}.
      !Switch on the timer for {span}.
      The washing machine needs {span}, ring when it is done.
      ?!Set up a countdown that ends in {span}.
      Only {span} until I must leave, start the timer.`),
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
      Tomorrow I have to be up at {time}, wake me.
      !Ring me awake at {time}.
      My train leaves early, so wake me at {time}.
      ?!Have the alarm go off at {time}.
      When it is {time}, wake me.
      Is it okay to ring when it turns {time}, to wake me?
      ?Wake-up call, {time}.
      ?{time} is when I have to get up.
      Alarm clock, {time}, I have school.
      ?I cannot sleep past {time}, set the alarm.
      ?Do not let me sleep longer than {time}.
      !Make sure I am awake by {time}.
      My day starts at {time}, so set the alarm clock.
      The alarm clock has to go off at {time}.
      !Turn the alarm clock to {time}.
      ?!Switch my alarm on for {time}.
      !Program the alarm clock for {time}.
      By {time} I must be awake.
      ?For tomorrow, put the alarm on {time}.
      How about an alarm tomorrow, {time}?
      I am going to bed now, wake me when it is {time}.
      !Get me out of my bed when it is {time}.
      We have to be awake at {time}, so let the alarm ring.
      May I have an alarm for {time}?
      The kids must get up at {time}, set the alarm clock.
      !Sound the alarm when the clock says {time}.
      School tomorrow, alarm on {time}.
      My flight is early, I need to wake up by {time}.
      An alarm set to {time} would be good.
      ?Is an alarm at {time} possible?
      !Start waking me at {time}.
      !Let me sleep until {time}, then ring.
      I want to sleep until {time} and no longer, wake me then.
      Tomorrow my alarm goes to {time}.
      !Add an alarm for {time}.
      !Create a new alarm that rings at {time}.
      !Schedule my wake-up alarm for {time}.
      If I am still asleep at {time}, wake me.
      We get up at {time}, so make us an alarm.
      Once the clock shows {time}, let the alarm sound.
      My alarm should go off tomorrow, {time}.
      What I need tomorrow is an alarm, {time}.
      Because I have [work|school], let my alarm ring at {time}.
      As soon as it is {time}, ring the alarm.
      {time}, that is my alarm for tomorrow.
      ?No later than {time}, get me up.`),
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
      Do not let me forget at {time} to {errand}.
      ?!Nudge me to {errand} at {time}.
      !Make a note that I must {errand} at {time}.
      ?When it is {time}, say that I should {errand}.
      ?It is important that I {errand} at {time}, so remind me.
      Did I say I must {errand} at {time}? Remind me of it.
      My plan is to {errand} at {time}, remind me of that.
      {errand} at {time}, I must remember that.
      Reminder, {time}, {errand}.
      ?I always forget to {errand}, so remind me at {time}.
      I keep forgetting to {errand}, tell me at {time}.
      !Make sure that I {errand} at {time}.
      !See to it that I do not forget to {errand} at {time}.
      Would you tell me to {errand} when it is {time}?
      What if I forget to {errand}? Remind me at {time}.
      I promised to {errand} at {time}, help me remember.
      I said I would {errand} at {time}, do not let me forget it.
      !Add a reminder for {time} that says {errand}.
      !Create a reminder, {errand}, for {time}.
      !Save a reminder: {errand} at {time}.
      !Put down that I have to {errand} at {time}.
      !Schedule a reminder at {time} so that I {errand}.
      Somebody has to {errand} at {time}, so remind me.
      We should {errand} at {time}, set a reminder for us.
      Once it is {time}, I have to {errand}, let me know.
      By {time} I want to {errand}, so give me a reminder then.
      It would be good to {errand} at {time}, make me a reminder.
      May I have a reminder to {errand} when it is {time}?
      I might forget to {errand}, so let me know at {time}.
      My job at {time} is to {errand}, remind me of it.
      ?When the clock says {time}, it is my turn to {errand}, remind me.
      The plan for {time}: {errand}. Remind me of it.
      At {time} it will be time to {errand}, tell me then.
      !Keep in mind for me that I must {errand} at {time}.
      Before I forget to {errand}, set a reminder for {time}.
      Today I have to {errand}, a reminder at {time} would help.
      ?Later I must {errand}, so tell me when it is {time}.
      The right time to {errand} is {time}, so remind me.
      A reminder for {time}, I need to {errand}.
      One more reminder, at {time} I must {errand}.
      ?My memory is bad, at {time} tell me to {errand}.
      ?I am busy today, so remind me to {errand} once it is {time}.
      How about a reminder at {time} that I should {errand}?
      I do not want to forget to {errand} at {time}.
      !Ask me to {errand} when it is {time}.
      ?!Write a reminder for me: at {time}, {errand}.`),
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
      I need to tell {name} that {news}.
      {news}, tell {name}.
      !Report to {name} that {news}.
      Does {name} know that {news}? Send a message.
      !Drop {name} a line that {news}.
      ?!Pass on to {name} that {news}.
      !Give {name} the news that {news}.
      The message to {name} is that {news}.
      My message for {name} reads: {news}.
      !Make sure {name} knows that {news}.
      !Make {name} aware that {news}.
      ?{name} does not know yet that {news}, send a message.
      ?{name} is waiting for me, write that {news}.
      ?It is important for {name} to hear that {news}.
      Someone should tell {name} that {news}.
      Has {name} heard that {news}? Send a text about it.
      How about a text to {name} saying that {news}?
      ?I have to text {name} about this: {news}.
      {name} asked me, so write back that {news}.
      !Answer {name} that {news}.
      !Reply to {name}: {news}.
      !Notify {name} that {news}.
      !Deliver this message to {name}: {news}.
      News for {name}: {news}.
      A short text to {name} saying {news}.
      !Send {name} a note saying that {news}.
      !Leave {name} a message that {news}.
      !Leave a note for {name}: {news}.
      !Type a message to {name} saying {news}.
      New message, {name}, {news}.
      I would like {name} to hear that {news}.
      I forgot to tell {name} that {news}.
      I still have to write {name} that {news}.
      ?May I send {name} the news that {news}?
      ?We have to let {name} know that {news}.
      We want to inform {name} that {news}.
      To {name}, as a text message: {news}.
      I promised {name} a message, write that {news}.
      Do not let {name} wait, send the message that {news}.
      Now that {news}, let {name} know.
      That {news} is something {name} should know.
      ?!Mention to {name} that {news}.
      !Explain to {name} that {news}.
      ?Before {name} [worries|leaves], text that {news}.
      What {name} should hear is this: {news}.
      {news}, and {name} has to hear about it.`),
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
      We need to call {name}.
      !Connect me with {name}.
      ?!Put me through to {name}.
      !Reach {name} by phone.
      ?!Try to get hold of {name} on the phone.
      !Try calling {name}.
      !Contact {name} by phone.
      !Pick {name} from my contacts and call.
      !Find the number of {name} and dial it.
      !Look up {name} in my contacts and start the call.
      Phone call, {name}.
      Phone call to {name}, now.
      {name}, on the phone, now.
      {name} is waiting for my call.
      {name} asked me to call back, so dial.
      !Call {name} back.
      Where is {name}? Start a call.
      ?Is {name} at home? Make a call to find out.
      ?I miss {name}, start a call.
      I have a question for {name}, so make the call.
      I have not heard from {name} in weeks, start a phone call.
      ?It is time to phone {name}.
      I should ring {name} today.
      ?I would love to hear {name} on the phone.
      I must hear the voice of {name}, so place a call.
      We want to speak with {name} by phone.
      The kids want to talk with {name} on the phone.
      My [mother|wife] wants to call {name}.
      Who can I ask? I need to phone {name}.
      ?Did {name} ring me? Then call back.
      May I speak to {name} on the phone?
      How about a phone call with {name}?
      ?Next call, {name}.
      It is urgent, I need {name} on the line.
      ?A call to {name} is what I need.
      There is something to discuss with {name}, start the call.
      Somebody has to phone {name} right now.
      !Open a phone line to {name}.
      !Begin a call with {name}.
      !Set up a phone call with {name}.
      !Use the phone to call {name}.
      For this question I need {name} on the phone.
      It is the birthday of {name}, make a call.
      Before I leave, I want to phone {name}.
      Today I have to give {name} a call.
      If {name} has time, I want to talk on the phone.`),
  },
];
