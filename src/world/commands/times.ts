/** Timers, alarms and reminders. */
import { alarm, reminder, timer, type Command } from "./draws.ts";
import { frames } from "../templates.ts";

export const TIMES: readonly Command[] = [
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
      Only {span} until I must leave, start the timer.
      !Start the kitchen clock at {span} and ring when it runs out.
      !Count down {span} for me, starting now.
      ?!Give me a shout in {span}, if possible.
      !Let me know as soon as {span} have passed.
      !Tell us when {span} are over.
      !Run a countdown of {span} while I get dressed.
      !Time {span} for the eggs.
      ?!Beep after {span}, so the cake doesn't burn.
      !Put {span} on the clock for our game.
      !Make sure I hear something when {span} is up.
      !Keep track of {span} for us and say when.
      !Ring once my {span} of rest are done.
      ?!Begin timing {span} right away.
      !Have a timer go off in {span}.
      !Wind up the egg timer for another {span}.
      !Warn the kids when their {span} of play run out.
      !Stop me after {span} of exercise, counted from now.
      ?!Measure {span} from this moment and then ring.
      !See that a bell rings {span} from now.
      !Get the countdown going, {span} this time.
      !Add a fresh timer with {span} on it.
      {span} on the timer, please.
      ?{span} from now, please let me know.
      {span} countdown, starting now
      {span}: start the timer
      {span} is how long the timer should run.
      {span}, and then ring the bell, will you?
      ?{span} for the pasta, please time it.
      {span} of baking time, so please count it down.
      {span} should do, so let the timer run that long.
      {span} timer for the tea
      A {span} timer would be great.
      ?The {span} timer again, please.
      Timer on, {span}
      Countdown: {span}, thanks.
      In {span} please tell me that time is up.
      After {span} I need a beep.
      ?My {span} start now, so watch the time.
      Another {span} on the timer, the potatoes are still hard.
      Could we have a timer of {span} for this round?
      Would you mind timing {span} for me?
      Is there a way to be told when {span} have gone by?
      ?Could I get a signal after {span}, please?
      Will you call out once {span} are gone?
      May I have {span} on the countdown before we leave?
      Why is there still no timer running for my {span}?
      Can a timer of {span} be started for the kids?
      ?How about a countdown of {span} for homework?
      I'd like a timer to run for {span} today.
      I want to hear a ring {span} from now.
      I would love to be told when {span} is over.
      I need exactly {span} counted down for this recipe.
      ?I'd rather have the timer at {span} this time.
      The cake is in and takes {span}, so tell me when it's done.
      The rice needs {span} on the stove, please time it.
      This dough must rest for {span}, so start a countdown.
      We play for {span} only, so please ring when that's over.
      ?I always lose track, so let me know after {span}, okay?
      Because the soup boils for {span}, I need a timer.
      It is time to start the timer, {span} as usual.
      Let the timer run {span}, then make some noise.
      Let us set the timer to {span} and see who wins.
      ?Don't let me read longer than {span}, just ring the timer.`),
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
      ?No later than {time}, get me up.
      !Get me out of bed by {time} tomorrow.
      !Let the alarm ring at {time}, so I catch the train.
      ?!Make sure I am awake at {time}.
      !Put my alarm clock on {time} again.
      !Have the alarm go off at {time} sharp.
      !Wake the kids at {time} for school.
      !See that we are woken at {time}, not later.
      ?!Ring the morning bell at {time} for us.
      !Move our wake-up call to {time} this time.
      !Turn the alarm to {time} before I fall asleep.
      !Schedule a wake-up alarm for {time} tomorrow.
      !Give our guests a wake-up call at {time}.
      ?!Rouse me from sleep at {time}, I have an early flight.
      Don't let me sleep past {time}, use the alarm.
      !Add another alarm at {time}, in case I miss the first.
      !Program the alarm clock to {time} tonight.
      !Arrange for an alarm at {time}, if possible.
      ?!Sound the alarm for the whole house at {time}.
      !Switch on an alarm that wakes me around {time}.
      {time} alarm, please.
      {time}: wake me
      {time} is when I want to get up, so wake me.
      ?{time}, alarm on
      {time} wake-up call for tomorrow
      {time} on the alarm clock, will you?
      {time} would be the right moment to wake us.
      {time} should be my alarm from now on.
      ?{time} and not a minute later, that's when I must wake up.
      {time} is early, but please wake me then.
      My {time} alarm has to be on tomorrow.
      A {time} alarm for the morning run, please.
      The {time} alarm again tonight, please.
      ?Alarm tomorrow, {time}
      Alarm clock at {time}, thanks.
      Wake-up time: {time}
      At {time} I would like to be woken.
      By {time} I need to be up, so set the alarm.
      ?Until {time} I can sleep, then wake me.
      Could we have a wake-up alarm at {time}, please?
      Would you mind waking me at {time} tomorrow?
      Is there a way to be woken at {time} sharp?
      Can the alarm be set for {time} instead?
      ?Will you wake us up at {time}, please?
      Could I get the alarm at {time} too?
      Why is my alarm still not set for {time}?
      May I be woken by the alarm at {time}, not earlier?
      How about an alarm at {time} for the whole family?
      ?You'll wake me at {time}, right?
      I'd like my alarm to go off at {time} tomorrow.
      I want to sleep until {time} and then hear the alarm.
      I'd rather be woken at {time} than later.
      I would love to wake up at {time}, so ring then.
      ?I need an alarm for {time}, since my shift starts early.
      I always oversleep, so the alarm must ring at {time}, please.
      We must get up at {time}, so please wake us.
      The bus leaves early, so have us woken at {time}.
      Because school starts tomorrow, the kids need waking at {time}.
      ?I am going to bed now, please wake me at {time}.
      It's a long drive tomorrow, so alarm at {time}, please.
      An alarm should be set for {time} before I go to sleep.
      Let me sleep, but only until {time}, then wake me.
      It is time to set the alarm, make it {time} today.`),
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
      ?!Write a reminder for me: at {time}, {errand}.
      !Make a note that I must {errand} at {time}, and remind me.
      !Nudge me around {time}, so that I {errand}.
      ?!Make sure I don't forget to {errand} at {time} today.
      !See that we remember to {errand} when it is {time}.
      !Put a reminder to {errand} in my calendar at {time}, if possible.
      !Give me a reminder at {time}: {errand}.
      !Help me remember to {errand}, say at {time}.
      ?!Remind us at {time} to {errand} before we leave.
      !Add a reminder: {errand} at {time}.
      !Let me know when it's {time}, because I need to {errand} then.
      !Keep in mind that I should {errand} at {time}, and tell me.
      !Bug me about it at {time} until I {errand}.
      ?!Have a reminder pop up at {time} to {errand} for mother.
      !Save this reminder for {time}: I must {errand} tonight.
      !Prompt the kids to {errand} at {time}, they always forget.
      !Jog my memory at {time}, I still have to {errand}.
      !Write me a reminder to {errand}, due at {time} tomorrow.
      ?{time}: remind me to {errand}
      {time} reminder: {errand}
      {time}, {errand}, please remind me.
      {time} would be good for a reminder to {errand}.
      {time} is when I have to {errand}, don't let me forget.
      ?{time} reminder to {errand}, please.
      {errand} at {time}, remind me
      {errand}: reminder at {time}, please.
      {errand} is what I need to be reminded of at {time}.
      {errand}, that's my reminder for {time} today.
      ?{errand} by {time}, and don't let it slip my mind.
      To {errand} I need a reminder at {time}.
      At {time} remind me that it is time to {errand}.
      At {time} I have to {errand}, please remind me.
      At {time} we want to {errand}, so give us a nudge.
      ?Around {time} please tell me to {errand}.
      When it's {time}, say that I should {errand}.
      Reminder to {errand}, {time}
      My reminder to {errand} should come at {time} sharp.
      A reminder at {time} would help me to {errand} on time.
      ?Could you remind me, at {time} please, to {errand}?
      Could I get a reminder to {errand} at about {time}?
      Would you mind reminding us to {errand} at {time} tonight?
      Is there a way to be reminded at {time} to {errand} for the guests?
      Will you tell me to {errand} once it is {time}?
      ?Can a reminder be set to {errand} at {time} too?
      May I be reminded to {errand} at {time}, not before?
      Why is there still no reminder for me to {errand} at {time}?
      You'll remind me to {errand} at {time}, right?
      I want to {errand} at {time}, so please remind me then.
      ?I must not forget to {errand} at {time}, please help.
      I'd like to be reminded to {errand} when the clock shows {time}.
      I would love a little reminder at {time} so I {errand}.
      I need to {errand} at {time} and will surely forget, so remind me.
      I'd rather be reminded at {time} to {errand} than forget it again.
      ?I promised mother to {errand} at {time}, so please remind me.
      Last time I forgot to {errand}, so remind me at {time} today.
      We always forget to {errand}, so give us a reminder at {time}.
      Because I get distracted, remind me at {time} to {errand}, okay?
      My memory is bad, so at {time} tell me to {errand}.
      ?Don't let me forget that I have to {errand} at {time}.
      Let me be reminded to {errand}, preferably at {time}.`),
  },
];
