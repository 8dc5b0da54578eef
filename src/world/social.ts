/** Greetings and small talk: a dozen situations, each with its ways to say it and its ways to answer. */
import type { RandomStream } from "../core/index.ts";
import { pickName } from "./entities.ts";
import { fill, frames, pickFrame, type Frames } from "./templates.ts";
import type { Split, WorldItem } from "./types.ts";

interface Situation {
  readonly kind: string;
  readonly family: Frames;
  readonly answers: readonly string[];
  /** One of these marks a right answer. */
  readonly accepted: readonly string[];
}

export const SITUATIONS: readonly Situation[] = [
  {
    kind: "hello",
    accepted: ["hello"],
    answers: ["Hello! How can I help?", "Hello! What can I do for you?"],
    family: frames(`
      Hello
      Hi
      Hey
      Hello there
      Hey there
      Hi there
      Hello Punctual
      ~Hi Punctual
      Hey, hello
      Hello, hello
      Hi, are you there?
      Hello, anybody there?
      Hey Punctual, hello
      Hi again
      Hello again
      ~Hi, hello
      ~Hi, anybody there?
      ~Hello Punctual, are you there?
      Hey, it is me again`),
  },
  {
    kind: "name",
    accepted: ["nice to meet you"],
    answers: ["Nice to meet you, {n}!", "Hello {n}, nice to meet you!"],
    family: frames(`
      ~My name is {n}.
      I am {n}.
      Hello, I am {n}.
      Hi, my name is {n}.
      Hello, my name is {n}.
      This is {n}.
      You can call me {n}.
      {n} here.
      People call me {n}.
      Hi, this is {n}.
      Hello, this is {n}.
      Hey, my name is {n}.
      ~Hi, I am {n}.
      I am called {n}.
      ~Hello, you can call me {n}.
      Hi, {n} here.
      My friends call me {n}.
      Just call me {n}.
      ~Hi, people call me {n}.`),
  },
  {
    kind: "how-are-you",
    accepted: ["i am fine"],
    answers: ["I am fine, thank you. How can I help?", "I am fine, thanks for asking."],
    family: frames(`
      How are you?
      How are you doing?
      ~How is it going?
      Are you well?
      How is it going today?
      How do you do?
      ~How are you today?
      How do you feel?
      Is everything fine?
      How do you feel today?
      Are you fine?
      Are you doing well?
      ~Are you doing fine today?
      How are things?
      Hey, how are you doing?
      ~Hi, how are you?
      ~Hi, how do you feel?
      How is your day?
      Is everything going well?
      How is your day going?
      Do you feel well today?`),
  },
  {
    kind: "thanks",
    accepted: ["you are welcome"],
    answers: ["You are welcome!", "You are welcome. Anything else?"],
    family: frames(`
      Thank you
      Thanks
      ~Thanks a lot
      Thank you very much
      Thank you so much
      Many thanks
      Thanks, that helped
      ~Great, thank you
      Thanks for your help
      Thank you for your help
      Perfect, thanks
      That was great, thank you
      Okay, thanks
      Thanks so much
      Great, thanks a lot
      Okay, thank you
      Thank you, that helped a lot
      Thank you, Punctual
      ~Many thanks for your help
      ~Perfect, thank you so much`),
  },
  {
    kind: "goodbye",
    accepted: ["goodbye"],
    answers: ["Goodbye! See you soon.", "Goodbye, have a nice day!"],
    family: frames(`
      Goodbye
      Bye
      See you
      Bye bye
      Bye, see you
      See you later
      I have to go now
      That is all for today
      ~See you tomorrow
      That is all, bye
      ~Goodbye for now
      I am leaving now, bye
      Okay, goodbye
      Until tomorrow
      Bye, see you tomorrow
      ~Okay, bye for now
      Bye Punctual
      I have to leave now
      I must go, goodbye
      ~I have to go, see you tomorrow
      ~That is all for now, goodbye`),
  },
  {
    kind: "good-morning",
    accepted: ["good morning"],
    answers: ["Good morning! How can I help?", "Good morning! I hope you slept well."],
    family: frames(`
      Good morning
      Good morning Punctual
      Morning
      A good morning to you
      Hello, good morning
      Hi, good morning
      Good morning, it is a new day
      Good morning to you
      I just woke up
      Hey, good morning
      A very good morning
      Morning, Punctual
      Hey Punctual, good morning
      ~Hi Punctual, good morning
      I am awake now
      I just got up
      ~Good morning, I am up
      ~Good morning, I just woke up
      A good new morning to you, Punctual
      ~I am awake, good morning`),
  },
  {
    kind: "good-night",
    accepted: ["good night"],
    answers: ["Good night! Sleep well.", "Good night, see you tomorrow."],
    family: frames(`
      Good night
      Night
      I am going to bed
      Good night Punctual
      Okay, good night
      I am tired, good night
      A good night to you
      Sleep well
      Time to sleep
      Good night, sleep well
      I am so tired, I am going to sleep
      I am off to bed
      Bed time for me
      ~Time to go to bed, good night
      I am going to sleep now
      I go to bed now
      Night, Punctual
      ~Good night, I am off to bed
      ~I am going to sleep, good night
      It is late, good night
      ~Time to sleep, good night
      ~I am tired, I am going to bed
      Sleep well, see you tomorrow`),
  },
  {
    kind: "who",
    accepted: ["i am punctual"],
    answers: ["I am Punctual, a small assistant for the house and the shop."],
    family: frames(`
      Who are you?
      What are you?
      What is your name?
      Do you have a name?
      Tell me your name.
      ~Who am I talking to?
      Tell me who you are.
      What should people call you?
      Are you a robot?
      What should I call you?
      ~Are you a person?
      Are you human or not?
      Who is there?
      Are you a machine?
      Are you a robot or a person?
      What are you called?
      Am I talking to a robot?
      ~Am I talking to a person?
      Please tell me who you are.
      ~Please tell me what you are.`),
  },
  {
    kind: "abilities",
    accepted: ["i can"],
    answers: ["I can work the lights, timers and music, look up orders and do sums."],
    family: frames(`
      What can you do?
      ~How can you help me?
      What are you good at?
      Tell me what you can do.
      Tell me how you can help me.
      What can I ask you?
      Which things can you do?
      ~What do you do?
      Give me an overview of what you can do.
      Which things are you good at?
      Can you help me?
      What can you help me with?
      What do you know how to do?
      How can I use you?
      Tell me which things you can do.
      ~Tell me what you are good at.
      What can you do for me?
      ~Which things can I ask you?
      Show me what you can do.
      What are you able to do?`),
  },
  {
    kind: "praise",
    accepted: ["glad"],
    answers: ["I am glad to hear that!", "Thank you, I am glad."],
    family: frames(`
      You are great
      ~You did well
      Good job
      You are very helpful
      You did a good job
      I like you
      That was fast
      You are so fast
      That was helpful
      That was very fast
      You are the best
      ~Nice work
      I love this
      Very good
      Very nice work
      You work very well
      ~You are really good
      Well done
      ~You are very fast
      ~That was nice of you
      Nice of you
      That was really good`),
  },
  {
    kind: "mood",
    accepted: ["hope"],
    answers: ["I hope your day gets better.", "Oh no. I hope it gets better soon."],
    family: frames(`
      I am sad
      I am tired
      ~I had a bad day
      Today was a hard day
      I had a hard day
      I feel bad
      I feel sick today
      I am so tired today
      This is not my day
      I feel tired today
      ~I feel sad today
      I am not well
      I feel very sad
      ~My day was bad
      ~My day was very hard
      I am having a bad day
      I am sick
      ~I am not happy today
      I feel alone
      Nobody likes me
      I am not happy with my day`),
  },
];

export function greetingItem(split: Split, random: RandomStream): WorldItem {
  const situation = random.pick(SITUATIONS);
  const template = pickFrame(situation.family, split, random);
  const n = pickName(split, random);
  const opening = fill(template, { n }, random);
  // As people type it: capital or not, with a mark or without.
  const cased =
    random.chance(0.25) && !opening.startsWith(n) ? opening.charAt(0).toLowerCase() + opening.slice(1) : opening;
  const marked = random.chance(0.25)
    ? cased.replace(/[.?!]$/u, "")
    : /[.?!]$/u.test(cased)
      ? cased
      : cased + random.pick(["", ".", "!"]);
  const answer = fill(random.pick(situation.answers), { n }, random);
  return {
    skill: "greeting",
    kind: situation.kind,
    template,
    turns: [
      { role: "user", text: marked },
      { role: "assistant", text: answer },
    ],
    expect: {
      kind: "text",
      accepted: situation.kind === "name" ? [`nice to meet you, ${n}`, `${n}, nice to meet you`] : situation.accepted,
      rejected: [],
    },
  };
}
