/** Messages and calls. */
import { message, person, type Command } from "./draws.ts";
import { frames } from "../templates.ts";

export const PEOPLE: readonly Command[] = [
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
      {news}, and {name} has to hear about it.
      !Write to {name} that {news} now.
      !Message {name} to say {news}, if possible.
      ?!Drop {name} a line saying that {news}.
      !Inform {name} right away that {news}.
      !Pass on to {name} that {news}, so nobody has to wait.
      !Send a text to {name}, saying {news}.
      !See that {name} hears that {news} before we leave.
      ?!Send word to {name} in the garden that {news}.
      !Shoot {name} a quick text that {news}.
      !Have a message sent to {name} that {news}.
      !Spread the word to {name} and say that {news}.
      !Notify {name} for me that {news}.
      ?!Answer {name} in writing that {news}.
      !Write that {news} and send it to {name} soon.
      !Report to {name} that {news}, thanks.
      !Explain to {name} in a message that {news}.
      {name} is waiting for a message that {news}.
      ?{name} needs to be told that {news}.
      {name}: {news}, please send that.
      {name} hasn't heard yet that {news}, so text that over.
      {name} must be informed today that {news}.
      {name} asked, so please write back that {news}.
      ?{name} gets a message: {news}
      {name} would like to know that {news}, so pass it on.
      {news}, please tell {name}.
      {news}, and {name} should hear about it.
      {news}: send this to {name}
      ?{news}, so let {name} know, will you?
      {news}, but {name} doesn't know it yet, so send a message.
      {news} is what you should text to {name} right now.
      That {news} should be passed on to {name} today.
      Message for {name}, {news}
      ?Text for {name} from me: {news}.
      For {name}, a short message: {news}.
      To {name}, please write that {news}.
      Please tell my friend {name} that {news}.
      Could you let {name} know, please, that {news}?
      ?Could we send our neighbor {name} a text that {news}?
      Would you mind telling {name} that {news}?
      Is there a way to let {name} know that {news} today?
      Will you write {name} that {news}, please?
      Can {name} be told that {news}?
      ?May I send {name} a note that {news}?
      Does {name} know that {news}? If not, send a message.
      Has anyone told {name} that {news}? Please do so.
      Why has nobody told {name} that {news}? Do it now.
      I'd like to tell {name} that {news}, so send a text.
      ?I would love to let {name} know that {news} at last.
      I need to get a message to {name}: {news}.
      I'd rather {name} learned from us that {news}.
      I forgot to tell {name} that {news}, can you?
      We should let dear {name} know that {news}.
      ?It is time that {name} heard that {news}.
      Let {name} hear from me in writing that {news}.`),
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
      If {name} has time, I want to talk on the phone.
      !Call {name} up on my phone.
      !Ring up {name} right away.
      ?!Give {name} a call, I have some news.
      !Get {name} on the line for us.
      !Put me through to {name}, if possible.
      !Connect me with {name} by phone.
      !Start a call with {name} now.
      ?!Place a call to {name} before we leave.
      !Try calling {name} again.
      !Reach {name} by phone, it is urgent.
      !Make a phone call to our neighbor {name}.
      !Give my friend {name} a ring this evening.
      ?!Call back {name}, I missed the phone.
      !Find the number for {name} and dial it.
      !Use the phone and get hold of {name} soon.
      !Telephone {name} while I wash my hands.
      !See that I get {name} on the telephone.
      ?!Have {name} called at home.
      !Dial {name}, my hands are full.
      !Ring {name} instead, mother isn't answering.
      !Set up a phone call with {name} too.
      {name} on the phone, please.
      ?{name}: start call
      {name}, phone call, now
      {name} tried to reach me, so please call back.
      {name} is waiting for my call, so dial.
      {name} has not picked up yet, try the phone again.
      ?{name} should be called right now.
      {name} is the one I want to phone.
      {name} needs a call from us today.
      {name} wants to hear my voice, so start a call.
      {name} must be phoned before dinner.
      ?Phone call to {name}, thanks.
      Phone now: {name}
      Call with {name}, please, as soon as you can.
      A call to {name}, will you?
      My friend {name} expects a phone call from me.
      ?With {name} I need to speak on the phone.
      To {name}, a quick phone call please.
      Could we phone {name} together?
      Could I talk to {name} on the phone, please?
      Would you mind calling {name} for the kids?
      ?Is there a way to get {name} on the line tonight?
      Will you ring {name} for me, please?
      Can {name} be reached by phone at the moment?
      May I have a call to {name} next?
      Why haven't we called {name} yet?
      ?Who can phone {name} for me? You, please.
      How about giving {name} a ring?
      Has anybody phoned {name} today? If not, please dial.
      I want to speak with {name} over the phone.
      I'd like to call {name} when you can put me through.
      ?I would love to hear how {name} is doing, so call.
      I need {name} on the telephone at once.
      I'd rather phone {name} than write.
      I promised to ring {name} tonight, so dial the number.
      We want to chat with {name} by phone for a bit.
      ?The guests are late, so let us call {name} and ask.
      Because writing takes too long, just call {name} instead.
      It is time to give dear {name} a call.
      Let me talk to {name}, please make the call.`),
  },
];
